"""The kernel of the gradient, interpreted step by step."""

import keras
import numpy as np
import pytest

from keras_perceiver_ar.fused import layer_norm
from tests.keras_perceiver_ar.support import BACKEND, to_numpy, value_and_gradient

EPSILON = 1e-5
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="the kernel is written for JAX")


@on_jax
def test_the_gradient_is_that_of_keras_own(monkeypatch):
    monkeypatch.setattr(layer_norm, "PROGRAMS", 8)  # fewer to be interpreted
    random = np.random.default_rng(0)
    x, upstream = (random.normal(size=(2, 32, 128)).astype("float32") for _ in range(2))
    gamma, beta = (random.normal(size=128).astype("float32") for _ in range(2))
    x = 3 * x + 1

    def total(arrays):
        return keras.ops.sum(
            upstream * keras.ops.layer_normalization(*arrays, axis=-1, epsilon=EPSILON)
        )

    _, wanted = value_and_gradient(total, [x, gamma, beta])
    tensors = [keras.ops.convert_to_tensor(array) for array in (x, gamma, upstream)]
    found = layer_norm.layer_norm_gradient(*tensors[:2], EPSILON, tensors[2], interpret=True)
    for gradient, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(gradient), other, rtol=0, atol=2e-5)


@on_jax
@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((4, 1024, 1024), True), ((4, 1000, 1024), False), ((4, 1024, 1000), False)],
)
def test_which_sizes_it_takes(monkeypatch, shape, wanted):
    x = keras.ops.zeros(shape, "bfloat16")
    assert not layer_norm.can_run(x)  # no GPU here
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert layer_norm.can_run(x) == wanted


def test_elsewhere_it_stays_out_of_the_way():
    if BACKEND != "jax":
        assert not layer_norm.can_run(keras.ops.zeros((4, 1024, 1024)))
