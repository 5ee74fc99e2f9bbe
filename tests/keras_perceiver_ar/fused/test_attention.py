"""The kernel for JAX on a GPU, interpreted step by step, and where it refuses to run."""

import keras
import numpy as np
import pytest

from keras_perceiver_ar import masks
from keras_perceiver_ar.attention import AttentionRoute, dot_product_attention
from keras_perceiver_ar.fused import attention as fused
from tests.keras_perceiver_ar.support import BACKEND, to_numpy, value_and_gradient

on_jax = pytest.mark.skipif(BACKEND != "jax", reason="the kernel is written for JAX")
DENSE = AttentionRoute(kind="dense")


def make_mask(kind, num_queries, num_keys):
    lengths = np.array([num_keys - 5, num_queries // 2], "int32")
    steps = masks.latent_steps(lengths, num_queries)
    keep = np.random.default_rng(0).random((2, num_keys)) < 0.7
    if kind == "latents":
        return masks.latent_attention_mask(steps, keras.ops.convert_to_tensor(keep))
    if kind == "all inputs":
        return masks.cross_attention_mask(steps, num_keys)
    key_steps = np.where(keep, np.arange(num_keys), masks.NOWHERE).astype("int32")
    return masks.cross_attention_mask(steps, keras.ops.convert_to_tensor(key_steps))


# Tiles that divide and that do not; rows long enough to be cut into parts along the keys.
CASES = [
    ("all inputs", 128, 384, 16, 16),
    ("some inputs", 100, 300, 16, 32),
    ("all inputs", 130, 4200, 16, 16),
    ("latents", 200, 200, 32, 16),
    # As a decode loop asks.
    ("all inputs", 1, 384, 16, 16),
    ("some inputs", 9, 1300, 16, 16),
]


@on_jax
@pytest.mark.parametrize(("kind", "num_queries", "num_keys", "width", "value_width"), CASES)
def test_the_kernel_equals_dense_attention(kind, num_queries, num_keys, width, value_width):
    random = np.random.default_rng(1)
    shapes = [(2, num_queries, 2, width), (2, num_keys, 2, width), (2, num_keys, 2, value_width)]
    arrays = [random.normal(size=shape).astype("float32") for shape in shapes]
    mask = make_mask(kind, num_queries, num_keys)
    reads = to_numpy(mask.dense()).any(axis=2)[:, :, None, None]
    assert kind == "latents" or not reads.all()
    weights = random.normal(size=(2, num_queries, 2, value_width)).astype("float32") * reads

    def total(attend):
        return lambda arrays: keras.ops.sum(weights * attend(arrays))

    def kernel(arrays):
        return fused.fused_attention(*arrays, mask, interpret=True)

    def dense(arrays):
        return dot_product_attention(*arrays, mask, DENSE)

    found = to_numpy(kernel(arrays))
    assert (np.broadcast_to(~reads, found.shape) <= (found == 0)).all()
    np.testing.assert_allclose(found * reads, to_numpy(dense(arrays)) * reads, rtol=0, atol=2e-6)
    _, gradients = value_and_gradient(total(kernel), arrays)
    _, wanted = value_and_gradient(total(dense), arrays)
    for gradient, other in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=0, atol=1e-5 * np.abs(other).max())


def test_where_it_cannot_run_it_says_why():
    arrays = [np.ones((1, 64, 1, 16), "float32")] * 3
    with pytest.raises(ValueError, match="cannot run here: it needs the JAX backend and an NVIDIA"):
        dot_product_attention(*arrays, route=AttentionRoute(kind="fused"))


@on_jax
@pytest.mark.parametrize(
    ("named", "changed"),
    [
        ("a mask of steps", {"mask": None}),
        ("no dropout", {"dropout": 0.1}),
        ("16-bit floats", {"dtype": "float32"}),
        ("not 24", {"width": 24}),
        ("too little", {"size": 32}),
        ("too little", {"size": 256, "queries": 32}),
        ("so few queries", {"size": 192, "queries": 1}),
        (None, {"size": 256, "queries": 1}),
        (None, {}),
    ],
)
def test_what_it_does_not_take(monkeypatch, named, changed):
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    size = changed.get("size", 64)
    x = keras.ops.ones((2, size, 2, changed.get("width", 16)), changed.get("dtype", "bfloat16"))
    query = x[:, : changed.get("queries", size)]
    mask = make_mask("all inputs", query.shape[1], size)
    obstacle = fused.obstacle(query, x, x, changed.get("mask", mask), changed.get("dropout", 0.0))
    assert obstacle is None if named is None else named in obstacle
