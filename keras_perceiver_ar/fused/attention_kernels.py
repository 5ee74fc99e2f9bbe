"""The kernels of `fused.attention`: what one program does with its tile."""

import functools
import math

import keras

if keras.backend.backend() == "jax":
    import jax.numpy as jnp
    from jax import lax
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

LOWEST = -1e30
LOG2_E = math.log2(math.e)
# Queries and keys of a tile, warps, and stages of the pipeline, as they were fastest on an H200.
FORWARD = (128, 64, 4, 4)
OF_QUERIES = (128, 64, 4, 3)
OF_KEYS = (64, 64, 4, 3)
# Of the forward kernel where a decode loop reads its caches with the latents of one position: as
# few queries as tensor cores take.
FEW = (16, 128, 4, 4)


def _mask(scores, queries, keys, diagonal):
    """Hides what may not be read: each of `queries` and `keys` is (steps, places), to broadcast."""
    allowed = keys[0] <= queries[0]
    if diagonal:
        allowed |= queries[1] == keys[1]
    return jnp.where(allowed, scores, LOWEST)


def _rows(steps, first):
    return steps[:, None], (first + jnp.arange(steps.shape[0]))[:, None]


def _columns(steps, first):
    return steps[None, :], (first + jnp.arange(steps.shape[0]))[None, :]


def _part(bounds_ref, num_splits):
    """The tiles of one program: where it begins, where masks begin, where it ends."""
    free, end = bounds_ref[0], bounds_ref[1]
    if num_splits == 1:
        return 0, free, end
    size = (end + num_splits - 1) // num_splits
    start = pallas.program_id(3) * size
    stop = jnp.maximum(start, jnp.minimum(start + size, end))
    return start, jnp.clip(free, start, stop), stop


def _first_query(size):
    """Of a program's tile. The last queries read most, so theirs go first: none is left over."""
    return (pallas.num_programs(0) - 1 - pallas.program_id(0)) * size


def _loop(body, start, middle, stop, state, masked_first=False):
    state = lax.fori_loop(start, middle, functools.partial(body, masked_first), state)
    return lax.fori_loop(middle, stop, functools.partial(body, not masked_first), state)


def forward(q, k, v, query_steps, key_steps, bounds, *outputs, diagonal, splits):
    """The output of a tile of queries, and log₂ Σ exp of their scores."""
    (size, width), (output, log_sum) = q.shape, outputs
    keys = (FEW if size == FEW[0] else FORWARD)[1]
    query, rows = q[...], _rows(query_steps[...], _first_query(size))
    scale = LOG2_E / math.sqrt(width)

    def add(masked, tile, state):
        total, top, denominator = state
        place = pallas.dslice(tile * keys, keys)
        scores = triton.dot(query, k[place, :].T) * scale
        if masked:
            scores = _mask(scores, rows, _columns(key_steps[place], tile * keys), diagonal)
        highest = jnp.maximum(top, scores.max(axis=1))
        correction = jnp.exp2(top - highest)
        weights = jnp.exp2(scores - highest[:, None])
        values = v[place, :]
        added = triton.dot(weights.astype(values.dtype), values)
        denominator = denominator * correction + weights.sum(axis=1)
        return total * correction[:, None] + added, highest, denominator

    state = (
        jnp.zeros((size, v.shape[1]), jnp.float32),
        jnp.full((size,), LOWEST, jnp.float32),
        jnp.zeros((size,), jnp.float32),
    )
    total, top, denominator = _loop(add, *_part(bounds, splits), state)
    read = top > LOWEST / 2
    denominator = jnp.where(read, denominator, 1.0)
    total = jnp.where(read[:, None], total / denominator[:, None], 0.0)
    output[...] = total.astype(output.dtype)
    log_sum[...] = jnp.where(read, top + jnp.log2(denominator), LOWEST)


def of_queries(*references, diagonal, splits):
    """The gradient of a tile of queries."""
    q, k, v, query_steps, key_steps, bounds, upstream, log_sum, subtracted, gradient = references
    (size, width), keys = q.shape, OF_QUERIES[1]
    query, rows = q[...], _rows(query_steps[...], _first_query(size))
    do, sums, less = upstream[...], log_sum[...], subtracted[...]
    scale = LOG2_E / math.sqrt(width)

    def add(masked, tile, total):
        place = pallas.dslice(tile * keys, keys)
        key = k[place, :]
        scores = triton.dot(query, key.T) * scale
        if masked:
            scores = _mask(scores, rows, _columns(key_steps[place], tile * keys), diagonal)
        weights = jnp.exp2(scores - sums[:, None])
        change = weights * (triton.dot(do, v[place, :].T) - less[:, None])
        return total + triton.dot(change.astype(key.dtype), key)

    total = _loop(add, *_part(bounds, splits), jnp.zeros((size, width), jnp.float32))
    gradient[...] = (total / math.sqrt(width)).astype(gradient.dtype)


def of_keys(*references, diagonal, splits):
    """The gradients of a tile of keys and of their values."""
    q, k, v, query_steps, key_steps, bounds, upstream, log_sum, subtracted, dk, dv = references
    (size, width), queries = k.shape, OF_KEYS[0]
    key, value = k[...], v[...]
    rows = _rows(key_steps[...], pallas.program_id(0) * size)
    scale = LOG2_E / math.sqrt(width)

    def add(masked, tile, state):
        of_keys, of_values = state
        place = pallas.dslice(tile * queries, queries)
        query, do = q[place, :], upstream[place, :]
        scores = triton.dot(key, query.T) * scale  # keys × queries
        if masked:
            scores = _mask(scores, _columns(query_steps[place], tile * queries), rows, diagonal)
        weights = jnp.exp2(scores - log_sum[place][None, :])
        of_values += triton.dot(weights.astype(do.dtype), do)
        change = weights * (triton.dot(value, do.T) - subtracted[place][None, :])
        return of_keys + triton.dot(change.astype(query.dtype), query), of_values

    state = jnp.zeros((size, width), jnp.float32), jnp.zeros((size, v.shape[1]), jnp.float32)
    bounds = bounds[0], bounds[1], q.shape[0] // queries
    of_keys, of_values = _loop(add, *bounds, state, masked_first=True)
    dk[...] = (of_keys / math.sqrt(width)).astype(dk.dtype)
    dv[...] = of_values.astype(dv.dtype)
