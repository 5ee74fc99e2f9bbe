"""A learning rate that falls at a few steps."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers
from keras_perceiver_ar.training.schedules.decay import DecaySchedule


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class StepsWithWarmup(DecaySchedule):
    """A linear warm-up, and then a rate that is multiplied at some points of the training.

    Args:
        learning_rate: float. The peak, reached at step `warmup_steps`.
        training_steps: int. Steps of the whole training.
        warmup_steps: int. 0 starts at the peak.
        initial_learning_rate: float. The rate of step 0 if there is a warm-up.
        boundaries: sequence of float in (0, 1], ascending. Shares of the training after which the
            rate is multiplied.
        decay_rate: float. By what it is multiplied.
        parity: bool. False counts the shares from the start of training. True does as the original
            did: from the end of the warm-up, so that the last ones may never come.

    Call arguments:
        step: int scalar, counted from 0.

    Returns:
        float32 scalar.

    Example:

    ```python
    rate = kpar.training.StepsWithWarmup(3e-4, training_steps=1000, boundaries=(0.5, 0.9))
    float(rate(499)), float(rate(500)), float(rate(900))  # 3e-4, 3e-5, 3e-6
    ```

    Reference: the original's schedule `steps`.
    """

    def __init__(
        self,
        learning_rate,
        training_steps,
        warmup_steps=0,
        initial_learning_rate=0.0,
        boundaries=(0.5, 0.8, 0.95),
        decay_rate=0.1,
        parity=False,
    ):
        super().__init__(learning_rate, training_steps, warmup_steps, initial_learning_rate, parity)
        check_numbers(decay_rate=decay_rate, above=True)
        boundaries = list(boundaries)
        check_numbers(**{f"boundaries[{i}]": share for i, share in enumerate(boundaries)})
        if boundaries != sorted(boundaries) or not all(0 < share <= 1 for share in boundaries):
            raise ValueError(
                "`boundaries` must be shares of the training, ascending and in (0, 1]. "
                f"Received: boundaries={boundaries}"
            )
        self.boundaries = [float(share) for share in boundaries]
        self.decay_rate = float(decay_rate)
        if not parity and boundaries and self._steps()[0] < 0:
            raise ValueError(
                "The first of `boundaries` must come after the warm-up. Received: "
                f"boundaries={boundaries}, training_steps={training_steps}, "
                f"warmup_steps={warmup_steps}"
            )

    def _steps(self):
        """The boundaries as steps after the warm-up: list of int."""
        skipped = 0 if self.parity else self.warmup_steps
        return [int(share * self.training_steps) - skipped for share in self.boundaries]

    def after_warmup(self, step):
        rate = ops.full_like(step, self.learning_rate)
        for boundary in self._steps():
            rate = ops.where(step >= boundary, rate * self.decay_rate, rate)
        return rate

    def get_config(self):
        return {
            **super().get_config(),
            "boundaries": self.boundaries,
            "decay_rate": self.decay_rate,
        }
