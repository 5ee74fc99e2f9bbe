"""What the optimizers of this folder have in common."""

import keras
from keras import ops


class DenseOptimizer(keras.optimizers.Optimizer):
    """An optimizer that sums up the repeated rows of a sparse gradient before all else.

    TensorFlow hands over the gradient of an embedding as rows, one for each time that a token was
    looked up. Keras squares them one by one, so that `global_clipnorm` and second moments come out
    too small where a token occurs twice.
    """

    def apply(self, grads, trainable_variables=None):
        # To add is what Keras makes a dense tensor of.
        dense = [ops.add(part, 0.0) if _is_sparse(part) else part for part in grads]
        return super().apply(dense, trainable_variables)


def _is_sparse(gradient):
    return hasattr(gradient, "dense_shape")  # `tf.IndexedSlices`, without importing TensorFlow
