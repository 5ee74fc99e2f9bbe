"""SM3, which keeps a vector for each axis in place of a second moment."""

import functools

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers
from keras_perceiver_ar.training.optimizers.dense_optimizer import DenseOptimizer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class SM3(DenseOptimizer):
    """AdaGrad in little memory: SM3-II with momentum, and with Optax's epsilon.

    A weight's sum of squared gradients is estimated as the least of the largest sums that are kept
    for its row, for its column, and so on for each axis. The sums never decay, so the paper wants
    no decaying learning rate (the original allowed none); a warm-up helps.

    Args:
        learning_rate: float or schedule.
        momentum: float in [0, 1). Decay of the mean step.
        epsilon: float. Added to the sums under their root, where they are not 0. A weight that has
            never had a gradient does not move.
        name: str.
        **kwargs: those of `keras.optimizers.Optimizer`.

    Reference: [Anil et al., 2019](https://arxiv.org/abs/1901.11150).
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, epsilon=1e-8, name="sm3", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        check_numbers(momentum=momentum, below=1)
        check_numbers(epsilon=epsilon)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._steps = self.add_optimizer_variables(variables, "step")
        self._sums = [self._add_sums(variable) for variable in variables]

    def _add_sums(self, variable):
        """The largest sum of squares at each index of each axis; of a scalar its own."""
        prefix, rank = variable.path.replace("/", "_"), len(variable.shape)
        return [
            self.add_variable(
                shape=[size if i == axis else 1 for i, size in enumerate(variable.shape)],
                dtype=variable.dtype,
                name=f"{prefix}_sum_{axis}",
            )
            for axis in range(max(rank, 1))
        ]

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.cast(gradient, variable.dtype)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        index, rank = self._get_variable_index(variable), len(variable.shape)
        sums, mean = self._sums[index], self._steps[index]
        total = functools.reduce(ops.minimum, [ops.convert_to_tensor(part) for part in sums])
        total = total + ops.square(gradient)
        for axis, part in enumerate(sums):
            others = [i for i in range(rank) if i != axis]
            self.assign(part, ops.max(total, axis=others, keepdims=True) if others else total)
        seen = total > 0
        root = ops.sqrt(ops.where(seen, total + self.epsilon, 1.0))
        step = ops.where(seen, gradient / root, 0.0)
        self.assign_add(mean, ops.subtract(step, mean) * (1.0 - self.momentum))
        self.assign_sub(variable, learning_rate * mean)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
