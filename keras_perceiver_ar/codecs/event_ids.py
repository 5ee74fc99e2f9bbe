"""What the ids of every codec share: three reserved ones, data from 3. T length of a sequence."""

import numpy as np

PAD = 0
EOS = 1
SOS = 2
NUM_RESERVED = 3


def check_ids(ids, vocab_size):
    """Refuses what no vocabulary of this size could have made.

    Args:
        ids: integers (T,), values 0 … `vocab_size` − 1.
        vocab_size: int.

    Returns:
        int64 (T,), the same ids.

    Raises:
        TypeError: `ids` are not integers.
        ValueError: an id outside the vocabulary, or not one dimension.
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"`ids` must have one dimension, got shape {ids.shape}.")
    if not ids.size:
        return np.zeros(0, np.int64)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"`ids` must be integers, got {ids.dtype}.")
    if ids.min() < 0 or ids.max() >= vocab_size:
        outside = ids[(ids < 0) | (ids >= vocab_size)][0]
        raise ValueError(f"`ids` must lie in 0 … {vocab_size - 1}, got {outside}.")
    return ids.astype(np.int64)
