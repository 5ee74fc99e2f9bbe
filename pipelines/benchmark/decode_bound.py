"""What a decode loop cannot be faster than: the bytes that a token reads, and its products alone.

B batch, N latents, M inputs, H heads, D head width, C channels, L layers, V vocabulary.
"""

import statistics
import time

import keras
import numpy as np
from keras import ops

_ROWS, _COLUMNS = 32768, 2048  # 256 MiB of float32: more than any cache holds


def token_bytes(workload, kept, prompt, new_tokens):
    """Bytes that each step has to read: all matrices, and the caches as far as they are filled.

    Args:
        workload: `Workload`.
        kept: int. Positions held after a refill.
        prompt: int.
        new_tokens: int.

    Returns:
        int, the mean of all steps.
    """
    size = 2 if workload.dtype == "bfloat16" else 4
    weights = 12 * workload.width**2 * (workload.layers + 1) + workload.vocab * workload.width
    latents = (kept + workload.latents) / 2 * workload.layers
    inputs = prompt + new_tokens / 2
    return round(size * (weights + 2 * workload.batch * workload.width * (latents + inputs)))


class _Loop(keras.Model):
    """A number of rounds of the same work in one program, each after the one before."""

    def __init__(self):
        super().__init__()
        self.built = True
        self.compile(jit_compile=keras.backend.backend() == "jax")

    def call(self, inputs):
        x, rounds = inputs
        rounds = rounds[0]
        body = (lambda i, _: i < rounds, lambda i, x: (i + 1, self.step(x)))
        return ops.while_loop(*body, (0, x))[1]

    def matrix(self, rows, columns, dtype):
        values = np.random.default_rng(0).normal(size=(rows, columns)) / rows**0.5
        weight = self.add_weight(shape=(rows, columns), dtype=dtype, initializer="zeros")
        weight.assign(values)
        return weight


class ReadLoop(_Loop):
    """Reads an array that fits no cache, and does one multiplication for each of its numbers."""

    def __init__(self):
        super().__init__()
        self.array = self.matrix(_ROWS, _COLUMNS, "float32")

    def step(self, x):
        return ops.matmul(self.array, x)[:_COLUMNS]


class ProductsLoop(_Loop):
    """The matrix products of a token: no norm, no softmax, no sampling, nothing written.

    Args:
        workload: `Workload`.
        inputs: int. Keys of the cross-attend.
        latents: int. Keys of a latent block.
    """

    def __init__(self, workload, inputs, latents):
        super().__init__()
        width, dtype = workload.width, workload.dtype
        self.heads = workload.heads
        sizes = [inputs] + [latents] * workload.layers
        self.blocks = [
            (
                [self.matrix(width, width, dtype) for _ in range(4)],
                self.matrix(width, 4 * width, dtype),
                self.matrix(4 * width, width, dtype),
                [self.matrix(workload.batch * count, width, dtype) for _ in range(2)],
            )
            for count in sizes
        ]
        self.logits = self.matrix(width, workload.vocab, dtype)

    def step(self, x):
        batch, width = x.shape
        for (query, key, value, output), wider, narrower, cache in self.blocks:
            keys, values = (ops.reshape(part, (batch, -1, width)) for part in cache)
            of_keys, of_values = ops.matmul(x, key), ops.matmul(x, value)
            attended = self._attend(ops.matmul(x, query), keys, values)
            x = ops.matmul(attended + of_keys + of_values, output)
            x = ops.matmul(ops.matmul(x, wider), narrower)
        # Of the size that it had, so that nothing overflows.
        return ops.sum(ops.matmul(x, self.logits)) * 1e-6 + ops.ones_like(x)

    def _attend(self, query, keys, values):
        spread = ops.tile(query[:, None], (1, self.heads, 1))
        weights = ops.einsum("bkc,bmc->bkm", spread, keys)
        return ops.mean(ops.matmul(weights, values), axis=1)


def seconds_a_round(loop, x, rounds, runs):
    """Median seconds of a round; what a call costs by itself is taken off.

    Args:
        loop: `_Loop`.
        x: array that a round takes and gives.
        rounds: int, 2 or more.
        runs: int.
    """

    def call(count):
        begin = time.perf_counter()
        np.asarray(loop.predict_on_batch((x, np.full(len(x), count, "int32"))))
        return time.perf_counter() - begin

    call(1), call(rounds)
    return statistics.median((call(rounds) - call(1)) / (rounds - 1) for _ in range(runs))


def measure(workload, kept, prompt, new_tokens, runs):
    """The bound of a token.

    Returns:
        dict: `token_bytes`; `bytes_per_second`, of an array that is read again and again;
        `bound_ms`, their quotient; `products_ms`, of the matrix products of a token.
    """
    num_bytes = token_bytes(workload, kept, prompt, new_tokens)
    read = seconds_a_round(ReadLoop(), np.ones(_COLUMNS, "float32"), 20, runs)
    rate = 4 * _ROWS * _COLUMNS / read
    inputs, latents = prompt + new_tokens // 2, (kept + workload.latents) // 2
    loop = ProductsLoop(workload, inputs, latents)
    x = np.ones((workload.batch, workload.width), "float32")
    if workload.dtype == "bfloat16":
        x = ops.convert_to_numpy(ops.cast(x, "bfloat16"))
    products = seconds_a_round(loop, x, 50, runs)
    return {
        "token_bytes": num_bytes,
        "bytes_per_second": round(rate),
        "bound_ms": 1e3 * num_bytes / rate,
        "products_ms": 1e3 * products,
    }
