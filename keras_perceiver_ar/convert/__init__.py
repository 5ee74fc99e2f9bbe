"""Released Haiku weights ↔ Keras weights."""

from keras_perceiver_ar.convert.checkpoint import read_original_checkpoint
from keras_perceiver_ar.convert.weights import from_original, original_shapes, to_original

__all__ = ["from_original", "original_shapes", "read_original_checkpoint", "to_original"]
