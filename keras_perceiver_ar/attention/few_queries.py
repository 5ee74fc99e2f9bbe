"""Attention of very few queries, which reads keys and values as they lie in memory."""

import keras
from keras import ops

from keras_perceiver_ar.attention.dense import hide
from keras_perceiver_ar.fused.device import is_jax_cpu

MOST = 4


def reads_in_place(query, dropout):
    """Whether `few_queries_attention` is the better one for these queries (B, N, H, D).

    A product for each head wants the keys of a head side by side. TensorFlow moves all keys there
    first, and so does XLA on a CPU: more than all else that a step of a decode loop does.
    """
    here = keras.backend.backend() == "tensorflow" or is_jax_cpu()
    return here and not dropout and (query.shape[1] or MOST + 1) <= MOST


def few_queries_attention(query, key, value, mask):
    """Softmax attention with one matrix product for all heads of a row.

    Each query is spread over a matrix (H · D, H), with zeros where a channel belongs to another
    head: H times the arithmetic, in which memory is still waited for, and no copy.

    Args:
        query: (B, N, H, D), scaled.
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: `StepMask`, bool (B, N, M), or None.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    batch, num_keys = ops.shape(key)[0], ops.shape(key)[1]
    number, num_heads, width = query.shape[1:]
    own = ops.eye(num_heads, dtype=query.dtype)
    # (B, H, N, 1, D) · (H, 1, H, 1) → (B, H · N, H · D)
    spread = ops.transpose(query, (0, 2, 1, 3))[:, :, :, None] * own[:, None, :, None]
    spread = ops.reshape(spread, (batch, num_heads * number, num_heads * width))
    flat = ops.reshape(key, (batch, num_keys, num_heads * width))
    scores = ops.cast(ops.einsum("bkc,bmc->bkm", spread, flat), "float32")
    scores = ops.reshape(scores, (batch, num_heads, number, num_keys))
    weights = ops.cast(ops.softmax(hide(scores, mask), axis=-1), value.dtype)
    weights = ops.reshape(weights, (batch, num_heads * number, num_keys))
    width = value.shape[-1]
    mixed = ops.matmul(weights, ops.reshape(value, (batch, num_keys, num_heads * width)))
    mixed = ops.reshape(mixed, (batch, num_heads, number, num_heads, width))
    # The rows of a head, less the channels of the others.
    return ops.sum(mixed * ops.cast(own, mixed.dtype)[:, None, :, None], axis=1)
