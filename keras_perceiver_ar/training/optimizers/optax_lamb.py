"""LAMB as the original used it."""

import keras
from keras import ops

from keras_perceiver_ar.training.optimizers.optax_adam import OptaxAdam


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class OptaxLamb(OptaxAdam):
    """LAMB: Adam whose step is as long as the variable itself, times the learning rate.

    A variable that is all zeros, or whose step is, takes Adam's step as it is.

    Args:
        learning_rate: float or schedule.
        beta_1: float in [0, 1). Decay of the mean gradient.
        beta_2: float in [0, 1). Decay of the mean squared gradient.
        epsilon: float. Added to the root of the corrected mean square.
        name: str.
        **kwargs: those of `keras.optimizers.Optimizer`. Its `weight_decay` comes before the step
            and is no part of its length.

    Reference: [You et al., 2020](https://arxiv.org/abs/1904.00962).
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        name="optax_lamb",
        **kwargs,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name, **kwargs)

    def direction(self, gradient, variable):
        step = super().direction(gradient, variable)
        length, wanted = (ops.sqrt(ops.sum(ops.square(x))) for x in (step, variable))
        both = ops.logical_and(length > 0, wanted > 0)
        # Divides by 1 where there is nothing to scale: not even the value not taken may be NaN.
        return step * ops.where(both, wanted / ops.where(both, length, 1.0), 1.0)
