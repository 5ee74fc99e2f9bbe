"""A learning rate that stays."""

import keras
from keras import ops

from keras_perceiver_ar.training.schedules.warmup import WarmupSchedule


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class ConstantWithWarmup(WarmupSchedule):
    """A linear warm-up, and then the same learning rate for ever.

    Args:
        learning_rate: float. The rate from step `warmup_steps` on.
        warmup_steps: int. 0 starts at that rate.
        initial_learning_rate: float. The rate of step 0 if there is a warm-up.

    Call arguments:
        step: int scalar, counted from 0.

    Returns:
        float32 scalar.

    Example:

    ```python
    rate = kpar.training.ConstantWithWarmup(3e-4, warmup_steps=10_000)
    optimizer = kpar.training.OptaxAdam(rate)
    ```

    Reference: the original's schedule `constant`.
    """

    def after_warmup(self, step):
        return ops.full_like(step, self.learning_rate)
