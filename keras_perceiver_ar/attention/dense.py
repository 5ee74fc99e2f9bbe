"""Attention that holds all scores at once."""

from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.masks import StepMask

# Masked scores are SET to this, not lowered by it: a query that may attend to nothing then takes
# the plain mean of all values, as in the original, and never a NaN.
MASKED_SCORE = -1e30


def dense_attention(query, key, value, mask, dropout, seed):
    """Softmax attention over scores (B, H, N, M) in float32.

    Args:
        query: (B, N, H, D), scaled.
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: `StepMask`, bool (B, N, M), or None.
        dropout: float in [0, 1). On the probabilities.
        seed: uint32 (2,), or None without dropout.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    weights = ops.softmax(masked_scores(query, key, mask), axis=-1)
    weights = randomness.dropout(weights, dropout, seed)
    return ops.einsum("bhnm,bmhd->bnhd", ops.cast(weights, value.dtype), value)


def masked_scores(query, key, mask):
    """Scores float32 (B, H, N, M), `MASKED_SCORE` where the mask is False."""
    return hide(ops.cast(ops.einsum("bnhd,bmhd->bhnm", query, key), "float32"), mask)


def hide(scores, mask):
    """Scores (B, H, N, M), `MASKED_SCORE` where the mask is False."""
    if mask is None:
        return scores
    allowed = mask.dense() if isinstance(mask, StepMask) else mask
    return ops.where(ops.expand_dims(allowed, 1), scores, MASKED_SCORE)
