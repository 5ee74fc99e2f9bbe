"""Means over the labels that count."""

import math

import keras
from keras import ops

from keras_perceiver_ar.training.loss import token_loss


class _LabelMean(keras.metrics.Mean):
    """Mean of a value over the labels that are not 0."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true)
        weights = ops.cast(y_true > 0, "float32")
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            missing = len(weights.shape) - len(sample_weight.shape)
            weights = weights * ops.reshape(sample_weight, (*sample_weight.shape, *[1] * missing))
        # Flat: of a matrix Keras averages the rows first, and a row of more latents would not
        # count for more.
        values = self.values(y_true, y_pred)
        return super().update_state(ops.reshape(values, (-1,)), ops.reshape(weights, (-1,)))


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class TokenAccuracy(_LabelMean):
    """Share of labels that are the likeliest token: y_true int (B, N), y_pred (B, N, V)."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def values(self, y_true, y_pred):
        """float32 (B, N), 1 where the prediction is right."""
        return ops.cast(ops.equal(ops.argmax(y_pred, -1), ops.cast(y_true, "int32")), "float32")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class BitsPerToken(_LabelMean):
    """Mean cross-entropy in bits: y_true int (B, N), y_pred (B, N, V)."""

    def __init__(self, name="bits_per_token", **kwargs):
        super().__init__(name=name, **kwargs)

    def values(self, y_true, y_pred):
        """float32 (B, N), in bits."""
        return token_loss(y_true, y_pred)[0] / math.log(2)
