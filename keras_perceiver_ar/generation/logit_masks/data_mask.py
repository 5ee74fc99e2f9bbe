"""Rows of a fixed length, which nothing may end before it."""

import dataclasses

from keras import ops

from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED
from keras_perceiver_ar.generation.logit_masks.logit_mask import LogitMask


@dataclasses.dataclass(frozen=True)
class DataMask(LogitMask):
    """Allows data alone, and so no reserved id: an image that ended early would lack pixels.

    Args:
        vocab_size: int. V, the reserved ids included.
    """

    vocab_size: int

    def __call__(self, history):
        return ops.expand_dims(ops.arange(self.vocab_size, dtype="int32") >= NUM_RESERVED, 0)
