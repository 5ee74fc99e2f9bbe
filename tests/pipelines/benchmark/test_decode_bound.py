"""The bound of a token, by hand; and that the loops it is measured with do what they say."""

import numpy as np
import pytest

from pipelines.benchmark import decode_bound
from pipelines.benchmark.workload import Workload

SIZES = {"width": 8, "heads": 2, "layers": 3, "latents": 6, "batch": 2, "vocab": 10, "context": 30}


@pytest.mark.parametrize("dtype, size", [("float32", 4), ("bfloat16", 2)])
def test_bytes_by_hand(dtype, size):
    workload = Workload(dtype=dtype, **SIZES)
    # Four blocks of four square matrices and an MLP of two that are four times as large; logits.
    weights = 4 * (4 * 64 + 2 * 4 * 64) + 10 * 8
    # Keys and values of 2 rows: on average 20 + 5 inputs, and between 4 and 6 latents in 3 blocks.
    caches = 2 * 2 * 8 * (25 + 3 * 5)
    found = decode_bound.token_bytes(workload, kept=4, prompt=20, new_tokens=10)
    assert found == size * (weights + caches)


def test_rounds_are_made_one_after_the_other():
    class Double(decode_bound._Loop):
        def step(self, x):
            return 2 * x

    x = np.array([1.0, 3.0], "float32")
    for rounds in (0, 1, 5):
        found = Double().predict_on_batch((x, np.full(2, rounds, "int32")))
        assert np.asarray(found).tolist() == [2**rounds, 3 * 2**rounds]


def test_the_products_are_those_of_the_workload():
    loop = decode_bound.ProductsLoop(Workload(dtype="float32", **SIZES), inputs=7, latents=5)
    numbers = sum(int(np.prod(weight.shape)) for weight in loop.weights)
    matrices = 4 * (4 * 64 + 2 * 4 * 64) + 10 * 8
    assert numbers == matrices + 2 * 2 * 8 * (7 + 3 * 5)
    x = np.ones((2, 8), "float32")
    first, second = (loop.predict_on_batch((x, np.full(2, n, "int32"))) for n in (1, 3))
    assert np.isfinite(first).all() and np.isfinite(second).all() and (first != x).any()
