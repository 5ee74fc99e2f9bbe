import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import to_numpy

RANDOM = np.random.default_rng(0)
QUERY = RANDOM.normal(size=(2, 3, 8)).astype("float32")
INPUTS = RANDOM.normal(size=(2, 5, 6)).astype("float32")
MASK = np.array([[[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]] * 2, "bool")
QUERY_POSITIONS = np.array([[2, 3, 5], [1, 2, 3]], "int32")
KEY_POSITIONS = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 0, 0]], "int32")
ALL = {
    "query": QUERY,
    "inputs": INPUTS,
    "attention_mask": MASK,
    "query_positions": QUERY_POSITIONS,
    "key_positions": KEY_POSITIONS,
}


def test_common_checks_as_cross_attention(tmp_path):
    config = {
        "num_heads": 2,
        "attention_width": 12,
        "output_width": 10,
        "rotary": kpar.layers.RotaryEmbedding(16),
    }
    check_layer(kpar.layers.MultiHeadAttention, config, ALL, (2, 3, 10), 8, tmp_path)


def test_common_checks_as_self_attention(tmp_path):
    inputs = {"query": QUERY, "attention_mask": np.tril(np.ones((2, 3, 3), "bool"))}
    check_layer(kpar.layers.MultiHeadAttention, {"num_heads": 2}, inputs, (2, 3, 8), 8, tmp_path)


def by_hand(layer, rotate):
    """The definition, head by head, in float64."""

    def dense(part, x):
        kernel, bias = getattr(layer, f"{part}_dense").get_weights()
        return x @ kernel.astype("float64") + bias

    def heads(x):
        return x.reshape(*x.shape[:2], 2, 6)

    query = rotate(heads(dense("query", QUERY)), QUERY_POSITIONS)
    key, value = rotate(heads(dense("key", INPUTS)), KEY_POSITIONS), heads(dense("value", INPUTS))
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) / np.sqrt(6)
    scores = np.where(MASK[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    merged = np.einsum("bhnm,bmhd->bnhd", weights, value).reshape(2, 3, 12)
    return dense("output", merged)


def rotate_pairs(x, positions):
    """All six channels, with wavelengths 16⁰, 16^½ and 16."""
    angles = positions[:, :, None] / 16.0 ** (np.arange(3) / 2)
    turns = np.exp(1j * angles)[:, :, None]
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * turns
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


@pytest.mark.parametrize("rotary", [False, True])
def test_the_definition(rotary):
    layer = kpar.layers.MultiHeadAttention(
        2, 12, rotary=kpar.layers.RotaryEmbedding(16, channel_fraction=1.0) if rotary else None
    )
    result = layer(QUERY, INPUTS, MASK, QUERY_POSITIONS, KEY_POSITIONS)
    for weight in layer.weights:
        weight.assign(to_numpy(weight) + RANDOM.normal(size=weight.shape) * 0.3)
    result = layer(QUERY, INPUTS, MASK, QUERY_POSITIONS, KEY_POSITIONS)
    wanted = by_hand(layer, rotate_pairs if rotary else lambda x, _: x)
    np.testing.assert_allclose(to_numpy(result), wanted, rtol=0, atol=5e-6)


def test_three_steps_are_the_call():
    layer = kpar.layers.MultiHeadAttention(2, 12, rotary=kpar.layers.RotaryEmbedding(16))
    whole = layer(*ALL.values())
    query = layer.project_query(QUERY, QUERY_POSITIONS)
    key, value = layer.project_key_value(INPUTS, KEY_POSITIONS)
    assert query.shape == (2, 3, 2, 6)
    assert key.shape == value.shape == (2, 5, 2, 6)
    assert (to_numpy(layer.attend(query, key, value, MASK)) == to_numpy(whole)).all()


def test_attention_width_must_fit_the_heads():
    layer = kpar.layers.MultiHeadAttention(3)
    with pytest.raises(ValueError, match="attention width 8, num_heads=3"):
        layer(QUERY)
