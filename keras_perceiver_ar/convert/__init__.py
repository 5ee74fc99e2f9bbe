"""Released Haiku weights ↔ Keras weights."""

from keras_perceiver_ar.convert.weights import from_original, to_original

__all__ = ["from_original", "to_original"]
