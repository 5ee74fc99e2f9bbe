"""Adam as the original used it."""

import math

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers
from keras_perceiver_ar.training.optimizers.dense_optimizer import DenseOptimizer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class OptaxAdam(DenseOptimizer):
    """Adam with the formula of Optax, and of the paper's Algorithm 1.

    `keras.optimizers.Adam` adds its epsilon to √v before the bias of v is corrected. Early in
    training that is an epsilon many times as large, and the steps of small gradients are shorter.

    Args:
        learning_rate: float or schedule.
        beta_1: float in [0, 1). Decay of the mean gradient.
        beta_2: float in [0, 1). Decay of the mean squared gradient.
        epsilon: float. Added to the root of the corrected mean square.
        name: str.
        **kwargs: those of `keras.optimizers.Optimizer`: `weight_decay`, `global_clipnorm`, ….

    Example:

    ```python
    rate = kpar.training.ConstantWithWarmup(3e-4, warmup_steps=10_000)
    model.compile(kpar.training.OptaxAdam(rate, global_clipnorm=1.0), loss=loss)
    ```

    Reference: [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980).
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        name="optax_adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        check_numbers(beta_1=beta_1, beta_2=beta_2, below=1)
        check_numbers(epsilon=epsilon)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._means, self._squares = self.add_optimizer_variables(variables, ["mean", "square"])

    def direction(self, gradient, variable):
        """Takes a gradient up and returns the step at a learning rate of 1.

        Args:
            gradient: tensor of the variable's shape and dtype.
            variable: one of the variables that the optimizer was built with.

        Returns:
            Tensor of the same shape.
        """
        index = self._get_variable_index(variable)
        mean, square = self._means[index], self._squares[index]
        self.assign_add(mean, ops.subtract(gradient, mean) * (1.0 - self.beta_1))
        self.assign_add(square, ops.subtract(ops.square(gradient), square) * (1.0 - self.beta_2))
        root = ops.sqrt(square / self._share(self.beta_2, variable.dtype))
        return mean / self._share(self.beta_1, variable.dtype) / (root + self.epsilon)

    def _share(self, beta, dtype):
        """1 − βᵗ: how much of the mean over infinitely many steps t steps make up."""
        if not beta:
            return 1.0
        # 1 − pow(β, t) would lose half of its digits in the first steps.
        return -ops.expm1(ops.cast(self.iterations + 1, dtype) * math.log(beta))

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.cast(gradient, variable.dtype)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, learning_rate * self.direction(gradient, variable))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
