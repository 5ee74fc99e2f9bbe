"""Low-rank adapters and quantisation, as for Keras' own layers."""

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import random_ids, shake, tiny_model, to_numpy

X = np.random.default_rng(0).normal(size=(2, 6, 16)).astype("float32")
LAYERS = {
    "attention": (lambda: kpar.layers.MultiHeadAttention(4), 4),
    "mlp": (lambda: kpar.layers.FeedForward(32), 2),
    "latent block": (lambda: kpar.layers.LatentBlock(4, rematerialize=True), 6),
    "cross-attention block": (lambda: kpar.layers.CrossAttentionBlock(4), 6),
}


def functional(make):
    inputs = keras.Input(X.shape[1:])
    layer = make()
    both = isinstance(layer, kpar.layers.CrossAttentionBlock)
    model = keras.Model(inputs, layer(inputs, inputs) if both else layer(inputs))
    shake(model)
    return model, layer


def parameters(name):
    make, projections = LAYERS[name]
    return (*functional(make), projections)


@pytest.mark.parametrize("name", LAYERS)
def test_low_rank_adapters_train_and_the_projections_rest(name, tmp_path):
    model, layer, projections = parameters(name)
    before = to_numpy(model(X))
    layer.enable_lora(2)
    np.testing.assert_allclose(to_numpy(model(X)), before, atol=1e-6)  # they start from nothing
    adapters = [weight for weight in layer.trainable_weights if "lora" in weight.path]
    assert len(adapters) == 2 * projections
    kernels = [to_numpy(weight) for weight in layer.weights if weight.path.endswith("/kernel")]
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    losses = [float(model.train_on_batch(X, np.zeros_like(X))) for _ in range(4)]
    assert losses[-1] < losses[0]
    after = [to_numpy(weight) for weight in layer.weights if weight.path.endswith("/kernel")]
    assert all((old == new).all() for old, new in zip(kernels, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(X)), to_numpy(model(X)), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_int8_is_close_and_is_saved(name, tmp_path):
    model, layer, projections = parameters(name)
    exact = to_numpy(model(X))
    layer.quantize("int8")
    quantized = to_numpy(model(X))
    assert 0 < np.abs(quantized - exact).mean() < 0.05 * exact.std()
    kernels = [weight for weight in layer.weights if weight.path.endswith("/kernel")]
    assert [weight.dtype for weight in kernels] == ["int8"] * projections
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (to_numpy(loaded(X)) == quantized).all()


@pytest.mark.slow
def test_a_whole_model_is_quantised_generates_and_is_saved(tmp_path):
    model, ids = tiny_model(), random_ids(0, 2, 9)
    exact = to_numpy(model(ids))
    model.quantize("int8")
    quantized = to_numpy(model(ids))
    assert np.abs(quantized - exact).mean() < 0.1 * exact.std()
    result = model.generate({"token_ids": ids}, 3, sampler="greedy")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (to_numpy(loaded(ids)) == quantized).all()
    again = loaded.generate({"token_ids": ids}, 3, sampler="greedy")
    assert (again["token_ids"] == result["token_ids"]).all()


@pytest.mark.slow
def test_tied_embeddings_are_quantised_with_their_scale(tmp_path):
    model, ids = tiny_model(width=12, model={"tie_embeddings": True}), random_ids(0, 2, 9)
    exact = to_numpy(model(ids))
    model.quantize("int8")
    quantized = to_numpy(model(ids))
    assert np.abs(quantized - exact).mean() < 0.1 * exact.std()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (to_numpy(loaded(ids)) == quantized).all()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["lora", "int8"])
def test_generate_follows_a_model_that_was_changed(change):
    model, prompts = tiny_model(), {"token_ids": random_ids(0, 2, 5)}
    options = {"sampler": "greedy", "num_latents": 16}  # enough for all, so that scores compare
    before = model.generate(prompts, 6, **options)
    if change == "int8":
        model.quantize("int8")
    else:
        for block in model.backbone.latent_stack.blocks:
            block.enable_lora(2)
        shake(model, seed=3)
    after = model.generate(prompts, 6, **options)
    assert (after["log_probs"] != before["log_probs"]).any()
    inputs = {"token_ids": after["token_ids"], "lengths": after["lengths"]}
    scores = to_numpy(model.score(inputs, num_latents=16))
    for row, length in enumerate(after["lengths"]):
        new = after["log_probs"][row, : length - 5]
        np.testing.assert_allclose(new, scores[row, 5:length], atol=1e-4)
