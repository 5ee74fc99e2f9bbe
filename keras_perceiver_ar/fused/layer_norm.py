"""The gradient of layer normalisation in one pass over its input.

XLA makes three passes of it, and two slow sums over the rows: 39 µs of 8 MB on an H200 where this
takes a quarter.
"""

import functools

import keras

from keras_perceiver_ar.fused.device import is_jax_gpu

if keras.backend.backend() == "jax":
    import jax
    import jax.numpy as jnp
    from jax import lax
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

# Programs, each of which sums the rows of its own, and rows that are held at once.
PROGRAMS, ROWS = 256, 4
WIDTHS = (128, 256, 512, 1024, 2048)


def can_run(x):
    """Whether the kernel takes `x`, (…, C)."""
    if not is_jax_gpu():
        return False
    return x.shape[-1] in WIDTHS and (x.size // x.shape[-1]) % (PROGRAMS * ROWS) == 0


def layer_norm_gradient(x, gamma, epsilon, upstream, interpret=False):
    """Gradients of `layers.layer_normalization.normalize`.

    Args:
        x: (…, C), of as many rows as `can_run` wants.
        gamma: (C,).
        epsilon: float.
        upstream: (…, C).
        interpret: bool. Runs the kernel step by step on any device, to test it.

    Returns:
        (…, C) of the dtype of `x`, and float32 (C,) of gamma and of beta.
    """
    width = x.shape[-1]
    rows = x.reshape(-1, width)
    size = rows.shape[0] // PROGRAMS
    tile = pallas.BlockSpec((size, width), lambda i: (i, 0))
    part = pallas.BlockSpec((None, width), lambda i: (i, 0))
    sums = jax.ShapeDtypeStruct((PROGRAMS, width), jnp.float32)
    of_x, of_gamma, of_beta = pallas.pallas_call(
        functools.partial(_kernel, epsilon=epsilon),
        grid=(PROGRAMS,),
        in_specs=[tile, pallas.BlockSpec((width,), lambda i: (0,)), tile],
        out_specs=[tile, part, part],
        out_shape=[jax.ShapeDtypeStruct(rows.shape, x.dtype), sums, sums],
        compiler_params=triton.CompilerParams(num_warps=8, num_stages=2),
        interpret=interpret,
        name="layer_norm_gradient",
    )(rows, gamma.astype(jnp.float32), upstream.reshape(rows.shape))
    return of_x.reshape(x.shape), of_gamma.sum(axis=0), of_beta.sum(axis=0)


def _kernel(x, gamma, upstream, of_x, of_gamma, of_beta, *, epsilon):
    size, width = x.shape
    factor = gamma[...][None, :]

    def add(index, state):
        place = pallas.dslice(index * ROWS, ROWS)
        wide, change = x[place, :].astype(jnp.float32), upstream[place, :].astype(jnp.float32)
        centred = wide - wide.sum(axis=1, keepdims=True) / width
        variance = (centred * centred).sum(axis=1, keepdims=True) / width
        scale = lax.rsqrt(variance + epsilon)
        normal = centred * scale
        sums = state[0] + (change * normal).sum(axis=0), state[1] + change.sum(axis=0)
        change = change * factor
        level = change.sum(axis=1, keepdims=True) / width
        along = (change * normal).sum(axis=1, keepdims=True) / width
        of_x[place, :] = (scale * (change - level - normal * along)).astype(of_x.dtype)
        return sums

    start = jnp.zeros((width,), jnp.float32)
    of_gamma[...], of_beta[...] = lax.fori_loop(0, size // ROWS, add, (start, start))
