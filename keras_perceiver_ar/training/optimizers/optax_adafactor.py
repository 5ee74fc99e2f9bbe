"""Adafactor as the original used it."""

import keras
import numpy as np
from keras import ops

from keras_perceiver_ar.checks import check_flags, check_numbers, check_steps
from keras_perceiver_ar.training.optimizers.dense_optimizer import DenseOptimizer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class OptaxAdafactor(DenseOptimizer):
    """Adafactor with the formula of Optax: little memory, steps in proportion to the weights.

    The mean squared gradient of a large matrix is kept as the means of its rows and of its columns.
    Unlike `keras.optimizers.Adafactor` it keeps small matrices whole, takes the learning rate as it
    is instead of holding it under 1 / √step, and reduces the two longest axes instead of the last.

    Args:
        learning_rate: float or schedule. The step, as a share of a variable's root mean square.
        decay_exponent: float. The squares decay by 1 − step^−`decay_exponent`.
        min_size_to_factor: int. A variable is factored if two of its axes are at least this long.
        clip_threshold: float or None. Largest root mean square of a step before it is scaled.
        scale_by_variable: bool. Whether steps are in proportion to the variable.
        min_scale: float. Least root mean square that a variable counts with, so that zeros move.
        epsilon: float. Added to each squared gradient.
        name: str.
        **kwargs: those of `keras.optimizers.Optimizer`.

    Reference: [Shazeer and Stern, 2018](https://arxiv.org/abs/1804.04235).
    """

    def __init__(
        self,
        learning_rate=0.001,
        decay_exponent=0.8,
        min_size_to_factor=128,
        clip_threshold=1.0,
        scale_by_variable=True,
        min_scale=1e-3,
        epsilon=1e-30,
        name="optax_adafactor",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        check_steps(min_size_to_factor=min_size_to_factor, least=1)
        check_flags(scale_by_variable=scale_by_variable)
        check_numbers(min_scale=min_scale)
        check_numbers(decay_exponent=decay_exponent, epsilon=epsilon, above=True)
        if clip_threshold is not None:
            check_numbers(clip_threshold=clip_threshold, above=True)
        self.decay_exponent = decay_exponent
        self.min_size_to_factor = min_size_to_factor
        self.clip_threshold = clip_threshold
        self.scale_by_variable = scale_by_variable
        self.min_scale = min_scale
        self.epsilon = epsilon

    def factored_axes(self, shape):
        """The second longest and the longest axis of a variable that is factored, or None.

        Args:
            shape: tuple of int.

        Returns:
            Pair of int, or None. Of axes of the same length the last counts as the longest.
        """
        order = np.argsort(shape, kind="stable")
        if len(shape) < 2 or shape[order[-2]] < self.min_size_to_factor:
            return None
        return int(order[-2]), int(order[-1])

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._axes = [self.factored_axes(variable.shape) for variable in variables]
        self._squares = [
            self._add_squares(variable, axes)
            for variable, axes in zip(variables, self._axes, strict=True)
        ]

    def _add_squares(self, variable, axes):
        """Variables for the mean squares: over the longest axis and over the other, or of each."""
        if axes is None:
            return [self.add_variable_from_reference(variable, name="square")]
        second, longest = axes
        prefix = variable.path.replace("/", "_")
        return [
            self.add_variable(
                shape=[size for axis, size in enumerate(variable.shape) if axis != over],
                dtype=variable.dtype,
                name=f"{prefix}_{name}",
            )
            for over, name in ((longest, "row_square"), (second, "column_square"))
        ]

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.cast(gradient, variable.dtype)
        step = gradient * self._inverse_root(ops.square(gradient) + self.epsilon, variable)
        if self.clip_threshold is not None:
            step = step / ops.maximum(_root_mean_square(step) / self.clip_threshold, 1.0)
        if self.scale_by_variable:
            step = step * ops.maximum(_root_mean_square(variable), self.min_scale)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * step)

    def _inverse_root(self, squares, variable):
        """Takes squared gradients up; returns 1 / √ of their mean, to be multiplied with."""
        new = ops.power(ops.cast(self.iterations + 1, variable.dtype), -self.decay_exponent)
        index = self._get_variable_index(variable)
        means, axes = self._squares[index], self._axes[index]
        if axes is None:
            self._mix(means[0], squares, new)
            return ops.rsqrt(means[0])
        second, longest = axes
        for mean, over in zip(means, (longest, second), strict=True):
            self._mix(mean, ops.mean(squares, axis=over), new)
        rows, columns = ops.expand_dims(means[0], longest), ops.expand_dims(means[1], second)
        # The mean over both axes is in the rows and in the columns, so it is taken out of one.
        return ops.rsqrt(rows / ops.mean(rows, axis=second, keepdims=True)) * ops.rsqrt(columns)

    def _mix(self, mean, value, share):
        self.assign_add(mean, share * ops.subtract(value, mean))

    def get_config(self):
        return {
            **super().get_config(),
            "decay_exponent": self.decay_exponent,
            "min_size_to_factor": self.min_size_to_factor,
            "clip_threshold": self.clip_threshold,
            "scale_by_variable": self.scale_by_variable,
            "min_scale": self.min_scale,
            "epsilon": self.epsilon,
        }


def _root_mean_square(x):
    return ops.sqrt(ops.mean(ops.square(x)))
