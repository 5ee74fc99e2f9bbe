"""Weights that a decode loop reads in the dtype that it multiplies in."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation import decode_loop
from keras_perceiver_ar.generation.compute_weights import compute_weights
from tests.keras_perceiver_ar.support import to_numpy


def make_model(dtype):
    backbone = kpar.models.PerceiverARBackbone(
        vocab_size=20, max_context=24, num_latents=8, num_layers=2, width=16, num_heads=2,
        dtype=dtype, seed=3,
    )  # fmt: skip
    return kpar.models.PerceiverARCausalLM(backbone)


def dtype_of(variable):
    return keras.backend.standardize_dtype(variable.value.dtype)


def test_matrices_are_cast_and_what_is_read_in_float32_is_not():
    model = make_model("mixed_bfloat16")
    block = model.backbone.latent_stack.blocks[1]
    with compute_weights(model):
        assert dtype_of(block.mlp.up.kernel) == "bfloat16"
        assert dtype_of(block.attention.key_dense.kernel) == "bfloat16"
        assert dtype_of(block.mlp.up.bias) == dtype_of(block.mlp_norm.gamma) == "float32"
        assert dtype_of(model.backbone.token_embedding.embeddings) == "float32"
    assert dtype_of(block.mlp.up.kernel) == "float32"


def test_values_of_a_scope_around_it_are_the_ones_that_are_read():
    model = make_model("mixed_bfloat16")
    block = model.backbone.latent_stack.blocks[0]
    values = [(variable, ops.zeros(variable.shape, variable.dtype)) for variable in model.variables]
    with keras.StatelessScope(values), compute_weights(model):
        for variable in (block.mlp.up.kernel, block.mlp.up.bias):
            assert not to_numpy(ops.cast(variable.value, "float32")).any()


def test_float32_is_left_alone():
    assert isinstance(compute_weights(make_model("float32")), contextlib.nullcontext)


@pytest.mark.parametrize("use_cache", [True, False])
def test_nothing_else_comes_out(monkeypatch, use_cache):
    prompts = np.random.default_rng(0).integers(3, 20, (3, 9), dtype="int32")

    def generate():
        model = make_model("mixed_bfloat16")
        return model.generate(prompts, 15, sampler="top_p", seed=1, use_cache=use_cache)

    cast = generate()
    monkeypatch.setattr(decode_loop, "compute_weights", lambda model: contextlib.nullcontext())
    plain = generate()
    np.testing.assert_array_equal(cast["token_ids"], plain["token_ids"])
    np.testing.assert_allclose(cast["log_probs"], plain["log_probs"], atol=1e-6)
