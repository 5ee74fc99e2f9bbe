"""Weights that a SavedModel holds in fewer bytes than the model computes with."""

import keras
import tensorflow as tf


class StoredWeights:
    """Matrices of a model in another dtype, cast back where a request uses them.

    Vectors (biases, scales of norms) stay as they are: they are small, and every output passes
    through them.

    Args:
        model: built Keras model.
        dtype: str, such as "bfloat16".

    Attributes:
        variables: list of `tf.Variable`, one for each matrix.
    """

    def __init__(self, model, dtype):
        self._matrices = [
            variable
            for variable in model.variables
            if len(variable.shape) >= 2 and variable.dtype == "float32"
        ]
        self.variables = [
            tf.Variable(tf.cast(matrix.value, dtype), trainable=False, name=matrix.path)
            for matrix in self._matrices
        ]

    def wrap(self, function):
        """The same function of tensors, but of these weights; to be traced."""

        def wrapped(*arguments):
            pairs = zip(self._matrices, self.variables, strict=True)
            # Before any loop, so that it is done once for a request and not at each step.
            values = [(matrix, tf.cast(stored, matrix.dtype)) for matrix, stored in pairs]
            with keras.StatelessScope(state_mapping=values):
                return function(*arguments)

        return wrapped
