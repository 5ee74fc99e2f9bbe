"""SGD as the original used it."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_flags, check_numbers
from keras_perceiver_ar.training.optimizers.dense_optimizer import DenseOptimizer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class OptaxSGD(DenseOptimizer):
    """SGD with the momentum of Optax: a sum of gradients, scaled by the learning rate of now.

    `keras.optimizers.SGD` sums up steps, each with the learning rate of its own time. The two are
    the same only where the learning rate stays, so not in a warm-up.

    Args:
        learning_rate: float or schedule.
        momentum: float in [0, 1). Decay of the sum.
        nesterov: bool. Whether the gradient is added once more, as Nesterov looks ahead.
        name: str.
        **kwargs: those of `keras.optimizers.Optimizer`.

    Reference: [Sutskever et al., 2013](https://proceedings.mlr.press/v28/sutskever13.html).
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, nesterov=True, name="optax_sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        check_numbers(momentum=momentum, below=1)
        check_flags(nesterov=nesterov)
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._sums = self.add_optimizer_variables(variables, "sum")

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.cast(gradient, variable.dtype)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        total = self._sums[self._get_variable_index(variable)]
        self.assign(total, gradient + self.momentum * total)
        step = gradient + self.momentum * total if self.nesterov else total
        self.assign_sub(variable, learning_rate * step)

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }
