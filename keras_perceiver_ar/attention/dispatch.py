"""The contract of attention, and the choice of a route."""

import math

import keras
from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.attention.blockwise import blockwise_attention
from keras_perceiver_ar.attention.dense import dense_attention
from keras_perceiver_ar.attention.few_queries import few_queries_attention, reads_in_place
from keras_perceiver_ar.attention.route import AttentionRoute
from keras_perceiver_ar.fused import attention as fused
from keras_perceiver_ar.fused.in_place import is_for_xla
from keras_perceiver_ar.masks import StepMask

# Scores of one row of the batch, all heads: 128 MiB of float32. Of a row, so that the route, and
# with it the rounding, does not follow the batch size.
MOST_DENSE_SCORES = 2**25
# Queries at a time where a later key is never read: the scores above the diagonal are left out.
CAUSAL_CHUNK = 256


def dot_product_attention(query, key, value, mask=None, route=None, dropout=0.0, seed=None):
    """Softmax attention, scaled by 1/√D, with the softmax in float32 whatever the inputs are.

    Args:
        query: (B, N, H, D).
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: `masks.StepMask`, bool (B, N, M), or what broadcasts to it, that is True where
            attention is allowed, or None. A query that may read nothing gets the plain mean of all
            values, as in the original; from the fused kernel, zeros.
        route: `AttentionRoute` or None, which is `auto`.
        dropout: float in [0, 1). On the attention probabilities.
        seed: uint32 (2,), needed with `dropout`.

    Returns:
        (B, N, H, Dv), dtype of `value`.

    Raises:
        ValueError: the fused kernel is asked for where it cannot run, or a mask of another shape.
    """
    mask = _whole(mask, query, key)
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in (query, key, value)}
    if len(dtypes) > 1:
        wide = keras.backend.result_type(*dtypes)
        parts = (ops.cast(x, wide) for x in (query, key, value))
        return ops.cast(dot_product_attention(*parts, mask, route, dropout, seed), value.dtype)
    if key.shape[1] == 1 and not dropout:
        return _read_one_key(query, key, value)
    route = route or AttentionRoute()
    kind = _choose(route, query, key, value, mask, dropout)
    if kind == "fused":
        return fused.fused_attention(query, key, value, mask)
    query = query * ops.cast(1.0 / math.sqrt(query.shape[-1]), query.dtype)
    # Chunks that somebody asked for may cut through a position, whose latents see each other.
    causal_chunk = None if route.query_chunk_size else _causal_chunk(query, key, mask)
    groups = []
    for heads in _slices(query.shape[2], route.head_group_size):
        rows = []
        for queries in _slices(query.shape[1], route.query_chunk_size or causal_chunk):
            place = (heads.start or 0, queries.start or 0)
            keys = slice(None, queries.stop) if causal_chunk else slice(None)
            parts = (
                _cut(query, queries, heads),
                _cut(key, keys, heads),
                _cut(value, keys, heads),
            )
            part = None if mask is None else mask[:, queries, keys]
            own_seed = _fold(seed, place) if dropout else None
            if kind == "dense" and reads_in_place(query, dropout):
                rows.append(few_queries_attention(*parts, part))
            elif kind == "dense":
                rows.append(dense_attention(*parts, part, dropout, own_seed))
            elif kind == "what fits":
                rows.append(_what_fits(*parts, part, dropout, own_seed))
            else:
                rows.append(
                    blockwise_attention(*parts, part, route.key_chunk_size, dropout, own_seed)
                )
        groups.append(rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=1))
    return groups[0] if len(groups) == 1 else ops.concatenate(groups, axis=2)


def _read_one_key(query, key, value):
    """What a single key gives: the softmax over it is 1, masked or not."""
    output = ops.broadcast_to(value, (*ops.shape(query)[:-1], value.shape[-1]))
    # TensorFlow knows gradients of nothing, which optimizers complain of, and gradients of zero.
    for x in (query, key):
        output = output + ops.sum(ops.where(False, x, ops.zeros_like(x)))
    return output


def _whole(mask, query, key):
    """A mask of booleans that can be cut along queries and keys; a `StepMask` as it is."""
    if mask is None or isinstance(mask, StepMask):
        return mask
    mask = ops.convert_to_tensor(mask)
    sizes = tuple(mask.shape[1:])
    wanted = (query.shape[1], key.shape[1])
    if len(sizes) != 2 or any(
        None not in pair and pair[0] not in (1, pair[1]) for pair in zip(sizes, wanted, strict=True)
    ):
        raise ValueError(
            f"`mask` must have the shape (B, N, M) with N, M = {wanted}, or broadcast to it. "
            f"Received: shape {tuple(mask.shape)}"
        )
    if all(size != 1 or other == 1 for size, other in zip(sizes, wanted, strict=True)):
        return mask
    return ops.broadcast_to(mask, (ops.shape(mask)[0], ops.shape(query)[1], ops.shape(key)[1]))


def _choose(route, query, key, value, mask, dropout):
    """One of "dense", "blockwise", "fused" and "what fits"."""
    num_queries, num_keys = query.shape[1], key.shape[1]
    if isinstance(key, keras.KerasTensor) and num_keys is None:
        return "dense"  # nobody will know how many blocks there are
    if route.kind == "auto" and not route.get_sizes():
        if fused.obstacle(query, key, value, mask, dropout) is None:
            return "fused"
        if num_queries is None or num_keys is None:
            # XLA makes no gradient of a choice whose ways differ in what they keep of the sizes.
            return "dense" if is_for_xla() or reads_in_place(query, dropout) else "what fits"
        fits = num_keys <= _most_dense_keys(num_queries, query.shape[2])
        return "dense" if fits else "blockwise"
    if route.kind == "fused":
        obstacle = fused.obstacle(query, key, value, mask, dropout)
        if obstacle is not None:
            raise ValueError(
                f"The fused kernel cannot run here: {obstacle}. Choose kind='auto', or another."
            )
        return "fused"
    if route.kind == "auto":
        chunk = route.key_chunk_size
        return "blockwise" if chunk and (num_keys is None or chunk < num_keys) else "dense"
    return route.kind


def _most_dense_keys(num_queries, num_heads):
    # So, and not as a product, it stays below 2³¹ where the sizes are tensors.
    return MOST_DENSE_SCORES // (num_queries * num_heads)


def _what_fits(query, key, value, mask, dropout, seed):
    """The route that `auto` takes for these sizes, some of which are known at run time alone."""
    arguments = (query, key, value, mask)
    num_queries = ops.maximum(ops.shape(query)[1], 1)
    return ops.cond(
        ops.shape(key)[1] <= _most_dense_keys(num_queries, query.shape[2]),
        lambda: dense_attention(*arguments, dropout, seed),
        lambda: blockwise_attention(*arguments, None, dropout, seed),
    )


def _causal_chunk(query, key, mask):
    """Size of the chunks of queries none of which reads a key behind its chunk, or None."""
    num_queries = query.shape[1]
    if not (isinstance(mask, StepMask) and mask.causal_chunk and num_queries == key.shape[1]):
        return None
    # Whole positions: the latents of one see each other.
    chunk = CAUSAL_CHUNK // mask.causal_chunk * mask.causal_chunk
    return chunk if chunk and num_queries and num_queries > chunk else None


def _slices(size, chunk):
    """Slices of at most `chunk` that cover `size`; one for everything where either is unknown."""
    if not chunk or size is None or chunk >= size:
        return [slice(None)]
    return [slice(start, min(start + chunk, size)) for start in range(0, size, chunk)]


def _cut(x, rows, heads):
    # A slice of everything would be a copy, and its gradient another.
    return x if rows == heads == slice(None) else x[:, rows, heads]


def _fold(seed, numbers):
    for number in numbers:
        seed = randomness.fold_in(seed, number)
    return seed
