"""`CrossAttentionBlock` and `LatentBlock`, and what they share in `AttentionBlock`."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import masks, randomness
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import to_numpy

RANDOM = np.random.default_rng(0)
LATENTS = RANDOM.normal(size=(2, 3, 8)).astype("float32")
INPUTS = RANDOM.normal(size=(2, 5, 6)).astype("float32")
STEPS = np.array([[2, 3, 4], [-1, 0, 1]], "int32")
POSITIONS = np.maximum(STEPS + 1, 0)
SEED = np.array([1, 2], "uint32")
CONFIG = {"num_heads": 2, "attention_width": 12, "mlp_factor": 1.5, "activation": "gelu_tanh"}


def rotary():
    return kpar.layers.RotaryEmbedding(16)


def test_common_checks_of_the_latent_block(tmp_path):
    inputs = {
        "latents": LATENTS,
        "attention_mask": to_numpy(masks.latent_attention_mask(STEPS).dense()),
        "positions": POSITIONS,
    }
    config = {**CONFIG, "rotary": rotary(), "dropout": 0.0}
    check_layer(kpar.layers.LatentBlock, config, inputs, LATENTS.shape, 16, tmp_path)


def test_common_checks_of_the_cross_attention_block(tmp_path):
    inputs = {
        "latents": LATENTS,
        "inputs": INPUTS,
        "attention_mask": to_numpy(masks.cross_attention_mask(STEPS, 5).dense()),
        "latent_positions": POSITIONS,
        "input_positions": np.array([[1, 2, 3, 4, 5], [1, 2, 0, 0, 0]], "int32"),
    }
    config = {**CONFIG, "rotary": rotary(), "dropout": 0.0}
    check_layer(kpar.layers.CrossAttentionBlock, config, inputs, LATENTS.shape, 18, tmp_path)


def normalised(x, norm):
    gamma, beta = norm.get_weights()
    x = x.astype("float64")
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def test_latent_block_is_pre_norm_with_residuals():
    block = kpar.layers.LatentBlock(2)
    block(LATENTS)
    for weight in block.weights:
        weight.assign(to_numpy(weight) + RANDOM.normal(size=weight.shape) * 0.3)
    attended = block.attention(normalised(LATENTS, block.latents_norm).astype("float32"))
    middle = LATENTS + to_numpy(attended)
    wanted = middle + to_numpy(block.mlp(normalised(middle, block.mlp_norm).astype("float32")))
    np.testing.assert_allclose(to_numpy(block(LATENTS)), wanted, rtol=1e-5, atol=1e-5)


def test_cross_attention_block_norms_latents_and_inputs_apart():
    block = kpar.layers.CrossAttentionBlock(2)
    block(LATENTS, INPUTS)
    for weight in block.weights:
        weight.assign(to_numpy(weight) + RANDOM.normal(size=weight.shape) * 0.3)
    attended = block.attention(
        normalised(LATENTS, block.latents_norm).astype("float32"),
        normalised(INPUTS, block.inputs_norm).astype("float32"),
    )
    middle = LATENTS + to_numpy(attended)
    wanted = middle + to_numpy(block.mlp(normalised(middle, block.mlp_norm).astype("float32")))
    np.testing.assert_allclose(to_numpy(block(LATENTS, INPUTS)), wanted, rtol=1e-5, atol=1e-5)


def test_sizes_of_the_parts():
    block = kpar.layers.CrossAttentionBlock(2, attention_width=12, mlp_factor=1.5)
    block(LATENTS, INPUTS)
    assert block.attention.query_dense.kernel.shape == (8, 12)
    assert block.attention.key_dense.kernel.shape == (6, 12)
    assert block.attention.output_dense.kernel.shape == (12, 8)
    assert block.mlp.up.kernel.shape == (8, 12)


def test_dropout_acts_in_training_alone_and_follows_its_seed():
    block = kpar.layers.LatentBlock(2, dropout=0.5)
    plain = to_numpy(block(LATENTS))
    assert (to_numpy(block(LATENTS, seed=SEED)) == plain).all()
    first, again, other = (
        to_numpy(block(LATENTS, training=True, seed=seed)) for seed in (SEED, SEED, SEED + 1)
    )
    assert (first == again).all()
    assert (first != plain).any()
    assert (first != other).any()


def test_dropout_acts_on_attention_and_mlp_with_seeds_of_their_own():
    block = kpar.layers.LatentBlock(2, dropout=0.5)
    result = to_numpy(block(LATENTS, training=True, seed=SEED))
    attended = block.attention(block.latents_norm(LATENTS))
    middle = LATENTS + randomness.dropout(attended, 0.5, randomness.fold_in(SEED, 0))
    hidden = block.mlp(block.mlp_norm(middle))
    wanted = middle + randomness.dropout(hidden, 0.5, randomness.fold_in(SEED, 1))
    np.testing.assert_allclose(result, to_numpy(wanted), rtol=1e-6, atol=1e-6)


def test_dropout_without_a_seed_draws_from_the_layer_s_own():
    def draws(seed):
        block = kpar.layers.LatentBlock(2, dropout=0.5, seed=seed)
        block.build(LATENTS.shape)
        for weight in block.trainable_weights:
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
        return [to_numpy(block(LATENTS, training=True)) for _ in range(2)]

    first, second = draws(7)
    assert (first != second).any()
    assert all((a == b).all() for a, b in zip(draws(7), (first, second)))
    assert (draws(8)[0] != first).any()


@pytest.mark.parametrize("block", [kpar.layers.LatentBlock, kpar.layers.CrossAttentionBlock])
@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_must_lie_in_its_range(block, dropout):
    with pytest.raises(ValueError, match=f"`dropout` must .* dropout={dropout}"):
        block(2, dropout=dropout)


@pytest.mark.parametrize("layer", [kpar.layers.LatentBlock, kpar.layers.CrossAttentionBlock])
@pytest.mark.parametrize("num_heads", [0, 2.0, None])
def test_heads_that_are_none(layer, num_heads):
    with pytest.raises(ValueError, match="`num_heads` must be an integer ≥ 1"):
        layer(num_heads)
