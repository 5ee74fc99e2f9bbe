"""Attention: one contract, several routes. B batch, N queries, M keys, H heads, D head width."""

import dataclasses
import math

import keras
from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.options import Options
from keras_perceiver_ar.rematerialize import rematerialize

# Masked scores are SET to this, not lowered by it: a query that may attend to nothing then takes
# the plain mean of all values, as in the original, and never a NaN.
MASKED_SCORE = -1e30


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
@dataclasses.dataclass(frozen=True)
class AttentionRoute(Options):
    """How much of the score matrix is held at once; what comes out is the same.

    Args:
        head_group_size: int or None. Heads that are computed together
            (`cross_attention_head_group_size`); None is all.
        query_chunk_size: int or None. Queries that are computed together
            (`chunked_cross_query_size`); None is all. The last chunk may be shorter.
        key_chunk_size: int or None. Keys whose scores are held together (`chunked_cross_key_size`);
            None is all. The last chunk may be shorter. Rows of unknown width are not cut.

    Raises:
        ValueError: a size that is none.
    """

    head_group_size: int | None = None
    query_chunk_size: int | None = None
    key_chunk_size: int | None = None

    def __post_init__(self):
        check_sizes(
            **{name: value for name, value in self.get_config().items() if value is not None}
        )


def dot_product_attention(query, key, value, mask=None, route=None, dropout=0.0, seed=None):
    """Softmax attention, scaled by 1/√D, with the softmax in float32 whatever the inputs are.

    Args:
        query: (B, N, H, D).
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: bool (B, N, M) or None. True where attention is allowed.
        route: `AttentionRoute` or None, which computes everything at once.
        dropout: float in [0, 1). On the attention probabilities.
        seed: uint32 (2,), needed with `dropout`.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    if key.shape[1] == 1 and not dropout:  # the softmax over one key is 1, masked or not
        return ops.broadcast_to(value, (*ops.shape(query)[:-1], value.shape[-1]))
    route = route or AttentionRoute()
    query = query * ops.cast(1.0 / math.sqrt(query.shape[-1]), query.dtype)
    groups = []
    for heads in _slices(query.shape[2], route.head_group_size):
        rows = []
        for queries in _slices(query.shape[1], route.query_chunk_size):
            place = (heads.start or 0, queries.start or 0)
            rows.append(
                _attend_by_key_chunks(
                    query[:, queries, heads],
                    key[:, :, heads],
                    value[:, :, heads],
                    None if mask is None else mask[:, queries],
                    route.key_chunk_size,
                    dropout,
                    _fold(seed, place) if dropout else None,
                )
            )
        groups.append(rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=1))
    return groups[0] if len(groups) == 1 else ops.concatenate(groups, axis=2)


def _slices(size, chunk):
    """Slices of at most `chunk` that cover `size`; one for everything where either is unknown."""
    if not chunk or size is None or chunk >= size:
        return [slice(None)]
    return [slice(start, min(start + chunk, size)) for start in range(0, size, chunk)]


def _fold(seed, numbers):
    for number in numbers:
        seed = randomness.fold_in(seed, number)
    return seed


def _scores(query, key, mask):
    scores = ops.cast(ops.einsum("bnhd,bmhd->bhnm", query, key), "float32")
    return scores if mask is None else ops.where(ops.expand_dims(mask, 1), scores, MASKED_SCORE)


def _attend_by_key_chunks(query, key, value, mask, chunk, dropout, seed):
    chunks = _slices(key.shape[1], chunk)
    if len(chunks) == 1:
        weights = ops.softmax(_scores(query, key, mask), axis=-1)
        weights = randomness.dropout(weights, dropout, seed)
        return ops.einsum("bhnm,bmhd->bnhd", ops.cast(weights, value.dtype), value)
    # The softmax of the parts seen so far: its maximum, its denominator, its numerator. The
    # backward pass computes the scores of a chunk again instead of keeping those of all.
    state = (None, None, None)
    for index, keys in enumerate(chunks):
        state = rematerialize(
            _add_key_chunk,
            query,
            key[:, keys],
            value[:, keys],
            None if mask is None else mask[:, :, keys],
            dropout,
            _fold(seed, (index,)) if dropout else None,
            *state,
        )
    _, denominator, numerator = state
    return ops.cast(numerator / ops.transpose(denominator, (0, 2, 1, 3)), value.dtype)


def _add_key_chunk(query, key, value, mask, dropout, seed, highest, denominator, numerator):
    """The softmax over the chunks so far, and one more; None stands for no chunk so far."""
    scores = _scores(query, key, mask)
    # The maximum cancels out, so it needs no gradient.
    top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    if highest is not None:
        top = ops.maximum(top, ops.stop_gradient(highest))
    weights = ops.exp(scores - top)
    new_denominator = ops.sum(weights, axis=-1, keepdims=True)
    weights = ops.cast(randomness.dropout(weights, dropout, seed), value.dtype)
    new_numerator = ops.cast(ops.einsum("bhnm,bmhd->bnhd", weights, value), "float32")
    if highest is not None:
        correction = ops.exp(ops.stop_gradient(highest) - top)
        new_denominator = new_denominator + denominator * correction
        correction = ops.transpose(correction, (0, 2, 1, 3))
        new_numerator = new_numerator + numerator * correction
    return top, new_denominator, new_numerator
