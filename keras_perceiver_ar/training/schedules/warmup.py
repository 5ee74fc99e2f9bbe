"""What the learning rates of this folder have in common."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers, check_steps


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, and then what a subclass says in `after_warmup`.

    Args:
        learning_rate: float. The peak, reached at step `warmup_steps`.
        warmup_steps: int. 0 starts at the peak.
        initial_learning_rate: float. The rate of step 0 if there is a warm-up.

    Call arguments:
        step: int scalar, counted from 0.

    Returns:
        float32 scalar.
    """

    def __init__(self, learning_rate, warmup_steps=0, initial_learning_rate=0.0):
        super().__init__()
        check_numbers(learning_rate=learning_rate, initial_learning_rate=initial_learning_rate)
        check_steps(warmup_steps=warmup_steps)
        self.learning_rate = float(learning_rate)
        self.warmup_steps = int(warmup_steps)
        self.initial_learning_rate = float(initial_learning_rate)

    def after_warmup(self, step):
        """The rate after the warm-up.

        Args:
            step: float32 scalar, counted from the end of the warm-up, ≥ 0.

        Returns:
            float32 scalar.
        """
        raise NotImplementedError

    def __call__(self, step):
        step = ops.cast(step, "float32")  # exact up to step 2²⁴
        rate = self.after_warmup(ops.maximum(step - self.warmup_steps, 0.0))
        if not self.warmup_steps:
            return rate
        rise = self.learning_rate - self.initial_learning_rate
        # Downwards from the peak, which is how the original rounds.
        warm = self.learning_rate - rise * (1.0 - step / self.warmup_steps)
        return ops.where(step < self.warmup_steps, warm, rate)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "initial_learning_rate": self.initial_learning_rate,
        }
