"""Attention as one kernel, for JAX on an NVIDIA GPU: no score is ever written to memory.

Dao, arXiv 2307.08691, with a mask of steps. `jax.nn.dot_product_attention` calls cuDNN, which knows
a causal mask only where queries and keys begin together, and takes any other as a bias (B, N, M):
1.3 times the time on an H200. Merging a causal part with the rest by `return_residual` would be no
way out, because the gradient of the residual is dropped there in silence.
"""

import functools

import keras

from keras_perceiver_ar.attention.tiles import Tiles
from keras_perceiver_ar.fused import attention_kernels as kernels
from keras_perceiver_ar.fused.attention_kernels import FEW, FORWARD, LOWEST, OF_KEYS, OF_QUERIES
from keras_perceiver_ar.fused.device import is_jax_gpu
from keras_perceiver_ar.masks import NOWHERE, StepMask

if keras.backend.backend() == "jax":
    import jax
    import jax.numpy as jnp
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

BUSY = 2 * 132  # Programs for 132 processors. Where there are fewer, rows are cut along the keys.


def obstacle(query, key, value, mask, dropout):
    """Why the kernel cannot run on these arguments of `dot_product_attention`: str, or None."""
    if not is_jax_gpu():
        return "it needs the JAX backend and an NVIDIA GPU"
    if not isinstance(mask, StepMask):
        return "it needs a mask of steps (`masks.StepMask`)"
    if dropout:
        return "it knows no dropout of the attention probabilities"
    if any(x.dtype not in (jnp.bfloat16, jnp.float16) for x in (query, key, value)):
        return "it needs 16-bit floats"
    if any(x not in (16, 32, 64, 128) for x in (query.shape[-1], value.shape[-1])):
        return f"it needs heads of 16, 32, 64 or 128 channels, not {query.shape[-1]}"
    is_few = query.shape[1] <= FEW[0]
    if key.shape[1] < 64 or (query.shape[1] < 64 and not is_few):
        return "there is too little to do"
    if is_few and key.shape[1] % 128:
        return "for so few queries the keys are not copied to fill their last tile of 128"
    return None


def fused_attention(query, key, value, mask, interpret=False):
    """Softmax attention, scaled by 1/√D.

    Args:
        query: (B, N, H, D).
        key: (B, M, H, D).
        value: (B, M, H, Dv).
        mask: `StepMask`. A query that may read nothing gets zeros.
        interpret: bool. Runs the kernel step by step on any device, to test it.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    num_queries = query.shape[1]
    query_steps, key_steps = (jnp.asarray(x, jnp.int32) for x in (mask.query_steps, mask.key_steps))
    key_steps = jnp.broadcast_to(key_steps, key.shape[:2])
    # To whole tiles; with sizes that are multiples of 128 nothing is copied.
    tile = FEW[0] if num_queries <= FEW[0] else 128
    query, query_steps = _pad(query, query_steps, -1, tile)
    (key, key_steps), value = _pad(key, key_steps, NOWHERE), _pad(value)
    options = (mask.diagonal, _num_splits(query, key), interpret)
    attend = jax.custom_vjp(lambda *arrays: _forward(options, *arrays)[0])

    def keep(*arrays):
        output, log_sum = _forward(options, *arrays)
        return output, (*arrays, output, log_sum)

    attend.defvjp(keep, functools.partial(_backward, options))
    return attend(query, key, value, query_steps, key_steps)[:, :num_queries]


def _pad(x, steps=None, step=None, tile=128):
    missing = -x.shape[1] % tile
    if missing:
        x = jnp.pad(x, ((0, 0), (0, missing), (0, 0), (0, 0)))
        if steps is not None:
            steps = jnp.pad(steps, ((0, 0), (0, missing)), constant_values=step)
    return x if steps is None else (x, steps)


def _num_splits(query, key):
    """Parts into which the keys of a row are cut, so that there are programs enough."""
    programs = query.shape[0] * query.shape[2]
    if query.shape[1] == FEW[0]:
        return 1 if 3 * programs >= BUSY else min(BUSY // programs, key.shape[1] // FEW[1])
    programs = programs * query.shape[1] // FORWARD[0]
    return max(1, min(-(-BUSY // programs), key.shape[1] // 2048))


def _run(kernel, name, options, tuning, by_queries, arrays, outputs):
    """Calls a kernel: a program for each tile of the queries, or of the keys, head and row.

    `arrays`: query, key, value, their steps; for a gradient also upstream (B, N, H, Dv), the sums
    and what is subtracted (B, H, N). `outputs`: D of (B, S, H, D), or None for (B, H, S); dtypes.
    """
    diagonal, splits, interpret = options
    splits = splits if by_queries else 1
    (batch, num_queries, num_heads, _), num_keys = arrays[0].shape, arrays[1].shape[1]
    queries, keys, num_warps, num_stages = tuning
    tiles = Tiles(*arrays[3:5], queries, keys, diagonal)
    bounds = tiles.of_queries() if by_queries else tiles.of_keys()
    tile, size = (queries, num_queries) if by_queries else (keys, num_keys)
    other, count = num_keys if by_queries else num_queries, size // tile
    own = (lambda i: count - 1 - i) if by_queries else (lambda i: i)
    sizes = {True: (tile, own), False: (other, lambda i: 0)}

    def heads(x, of_queries):  # (B, S, H, D): a tile of the axis that is tiled, all of the other
        count, place = sizes[of_queries == by_queries]
        shape = (None, count, None, x.shape[3])
        return pallas.BlockSpec(shape, lambda i, h, b, *_: (b, place(i), h, 0))

    def steps(of_queries):  # (B, S)
        count, place = sizes[of_queries == by_queries]
        return pallas.BlockSpec((None, count), lambda i, h, b, *_: (b, place(i)))

    def sums():  # (B, H, N)
        count, place = sizes[by_queries]
        return pallas.BlockSpec((None, None, count), lambda i, h, b, *_: (b, h, place(i)))

    def output(width, dtype):
        shape = (batch, num_heads, size) if width is None else (batch, size, num_heads, width)
        shape = jax.ShapeDtypeStruct(shape, jnp.float32 if splits > 1 else dtype)
        spec = sums() if width is None else heads(shape, by_queries)
        if splits == 1:
            return spec, shape
        place = spec.index_map
        return (
            pallas.BlockSpec((None, *spec.block_shape), lambda i, h, b, s: (s, *place(i, h, b))),
            jax.ShapeDtypeStruct((splits, *shape.shape), jnp.float32),
        )

    specs = [heads(arrays[0], True), heads(arrays[1], False), heads(arrays[2], False)]
    bounds_spec = pallas.BlockSpec((None, None, 2), lambda i, h, b, *_: (b, own(i), 0))
    specs += [steps(True), steps(False), bounds_spec]
    if len(arrays) > 5:
        specs += [heads(arrays[5], True), sums(), sums()]
    out_specs, out_shapes = zip(*(output(*each) for each in outputs), strict=True)
    return pallas.pallas_call(
        functools.partial(kernel, diagonal=diagonal, splits=splits),
        grid=(count, num_heads, batch, *([splits] if splits > 1 else [])),
        in_specs=specs,
        out_specs=out_specs,
        out_shape=out_shapes,
        compiler_params=triton.CompilerParams(num_warps=num_warps, num_stages=num_stages),
        interpret=interpret,
        name=name,
    )(*arrays[:5], bounds, *arrays[5:])


def _forward(options, *arrays):
    """The output (B, N, H, Dv), and log₂ Σ exp of the scores of each query, float32 (B, H, N)."""
    value = arrays[2]
    outputs = [(value.shape[3], value.dtype), (None, jnp.float32)]
    tuning = FEW if arrays[0].shape[1] == FEW[0] else FORWARD
    name = "attention_forward"
    output, log_sum = _run(kernels.forward, name, options, tuning, True, arrays, outputs)
    if options[1] > 1:  # join what the parts of the keys gave
        highest = log_sum.max(axis=0)
        shares = jnp.exp2(log_sum - highest)
        total = shares.sum(axis=0)
        output = jnp.einsum("sbhn,sbnhd->bnhd", shares / total, output).astype(value.dtype)
        log_sum = jnp.where(highest > LOWEST / 2, highest + jnp.log2(total), LOWEST)
    return output, log_sum


def _backward(options, kept, upstream):
    query, key, value, query_steps, key_steps, output, log_sum = kept
    num_queries = query.shape[1]
    if num_queries == FEW[0]:  # whole tiles of the kernels below
        log_sum = jnp.pad(log_sum, ((0, 0), (0, 0), (0, 128 - num_queries)), constant_values=LOWEST)
        (query, query_steps), output = _pad(query, query_steps, -1), _pad(output)
        options, upstream = (options[0], 1, options[2]), _pad(upstream)
    upstream = upstream.astype(value.dtype)
    product = upstream.astype(jnp.float32) * output.astype(jnp.float32)
    subtracted = product.sum(axis=3).transpose(0, 2, 1)
    # exp2 of a score less this is 0: a query that read nothing changes nothing.
    log_sum = jnp.where(log_sum > LOWEST / 2, log_sum, -LOWEST)
    arrays = (query, key, value, query_steps, key_steps, upstream, log_sum, subtracted)
    outputs, name = [(query.shape[3], query.dtype)], "attention_of_queries"
    (dq,) = _run(kernels.of_queries, name, options, OF_QUERIES, True, arrays, outputs)
    if options[1] > 1:
        dq = dq.sum(axis=0).astype(query.dtype)
    outputs = [(x.shape[3], x.dtype) for x in (key, value)]
    dk, dv = _run(kernels.of_keys, "attention_of_keys", options, OF_KEYS, False, arrays, outputs)
    return dq[:, :num_queries], dk, dv, None, None
