"""The learning rate of T5."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_flags
from keras_perceiver_ar.training.schedules.warmup import WarmupSchedule


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class InverseSquareRoot(WarmupSchedule):
    """A linear warm-up to the peak, and then `peak · √(warmup_steps / step)`.

    Args:
        learning_rate: float. The peak, reached at step `warmup_steps`.
        warmup_steps: int. The longer the warm-up, the slower the decay. With 0 the rate starts at
            the peak and falls as `peak · √(1 / (1 + step))`.
        initial_learning_rate: float. The rate of step 0 if there is a warm-up.
        parity: bool. True does as the original did, which differs for 0 `warmup_steps` only: the
            rate is 0 at every step. (At step 0 the original's was 0 / 0 = NaN, which no weight
            outlives; here it is 0 there as well.)

    Call arguments:
        step: int scalar, counted from 0.

    Returns:
        float32 scalar.

    Example:

    ```python
    rate = kpar.training.InverseSquareRoot(1e-2, warmup_steps=10_000)
    float(rate(10_000)), float(rate(40_000))  # 0.01, 0.005
    ```

    Reference: [Raffel et al., 2020](https://arxiv.org/abs/1910.10683); the original's schedule
    `t5`.
    """

    def __init__(self, learning_rate, warmup_steps=0, initial_learning_rate=0.0, parity=False):
        super().__init__(learning_rate, warmup_steps, initial_learning_rate)
        check_flags(parity=parity)
        self.parity = parity

    def after_warmup(self, step):
        if self.parity and not self.warmup_steps:
            return ops.zeros_like(step)
        steps = max(self.warmup_steps, 1)
        return self.learning_rate * ops.sqrt(steps / (steps + step))

    def get_config(self):
        return {**super().get_config(), "parity": self.parity}
