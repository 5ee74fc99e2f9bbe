"""A learning rate that falls along a cosine."""

import math

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers, check_steps
from keras_perceiver_ar.training.schedules.decay import DecaySchedule


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class CosineWithWarmup(DecaySchedule):
    """A linear warm-up, a peak that may last, and then half a cosine down to the end.

    Args:
        learning_rate: float. The peak, reached at step `warmup_steps`.
        training_steps: int. Steps of the whole training.
        warmup_steps: int. 0 starts at the peak.
        initial_learning_rate: float. The rate of step 0 if there is a warm-up.
        end_learning_rate: float. The rate from the end of the decay on.
        parity: bool. False ends the decay with training. True does as the original did: the decay
            takes `training_steps` after the warm-up, so that training stops short of its end.
        decay_steps: int or None. Steps of the decay, the last ones of training: before them the
            rate stays at its peak. None is all after the warm-up.

    Call arguments:
        step: int scalar, counted from 0.

    Returns:
        float32 scalar.

    Example:

    ```python
    rate = kpar.training.CosineWithWarmup(3e-4, training_steps=100_000, warmup_steps=1000)
    optimizer = kpar.training.OptaxAdam(rate)
    ```

    The images of the paper were trained at the peak, and along a cosine for the last 50,000 steps.

    Reference: [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1608.03983); the original's
    schedule `cosine`.
    """

    def __init__(
        self,
        learning_rate,
        training_steps,
        warmup_steps=0,
        initial_learning_rate=0.0,
        end_learning_rate=0.0,
        parity=False,
        decay_steps=None,
    ):
        super().__init__(learning_rate, training_steps, warmup_steps, initial_learning_rate, parity)
        check_numbers(end_learning_rate=end_learning_rate)
        self.end_learning_rate = float(end_learning_rate)
        if decay_steps is not None:
            check_steps(decay_steps=decay_steps, least=1)
            most = training_steps - warmup_steps
            if parity or decay_steps > most:
                raise ValueError(
                    f"`decay_steps` must be at most {most}, the steps after the warm-up, and does "
                    f"not go with `parity`. Received: decay_steps={decay_steps}, parity={parity}"
                )
        self.decay_steps = decay_steps

    def after_warmup(self, step):
        every = self.training_steps - (0 if self.parity else self.warmup_steps)
        steps = every if self.decay_steps is None else self.decay_steps
        step = ops.clip(step - (every - steps), 0, steps)
        share = 0.5 * (1.0 + ops.cos(math.pi * step / steps))
        return self.end_learning_rate + (self.learning_rate - self.end_learning_rate) * share

    def get_config(self):
        return {
            **super().get_config(),
            "end_learning_rate": self.end_learning_rate,
            "decay_steps": self.decay_steps,
        }
