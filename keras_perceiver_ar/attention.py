"""Attention: one contract. B batch, N queries, M keys, H heads, D head width."""

import math

from keras import ops

# Masked scores are SET to this, not lowered by it: a query that may attend to nothing then takes
# the plain mean of all values, as in the original, and never a NaN.
MASKED_SCORE = -1e30


def dot_product_attention(query, key, value, mask=None):
    """Softmax attention, scaled by 1/√D, with the softmax in float32 whatever the inputs are.

    Args:
        query: (B, N, H, D).
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: bool (B, N, M) or None. True where attention is allowed.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    if key.shape[1] == 1:  # the softmax over one key is 1, masked or not
        return ops.broadcast_to(value, (*ops.shape(query)[:-1], value.shape[-1]))
    query = query * ops.cast(1.0 / math.sqrt(query.shape[-1]), query.dtype)
    scores = ops.cast(ops.einsum("bnhd,bmhd->bhnm", query, key), "float32")
    if mask is not None:
        scores = ops.where(ops.expand_dims(mask, 1), scores, MASKED_SCORE)
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    return ops.einsum("bhnm,bmhd->bnhd", weights, value)
