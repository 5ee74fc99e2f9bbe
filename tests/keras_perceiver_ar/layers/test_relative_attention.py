import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import shake, to_numpy

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(2, 7, 8)).astype("float32")
QUERY = RANDOM.normal(size=(2, 3, 8)).astype("float32")
MASK = np.tril(np.ones((2, 3, 7), "bool"), 4)
PLACES = np.arange(7, dtype="int32")
HEADS, WIDTH = 2, 12


def exact_rows(distances, width):
    """R in float64: sines, then cosines, of frequencies 1 … 1e-4."""
    bands = width // 2
    angles = distances[..., None] * 1e4 ** -(np.arange(bands) / max(bands - 1, 1))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def by_hand(layer, query, inputs, query_places, key_places, mask, width):
    """The definition, with R(i − j) of every pair, in float64."""
    weights = {weight.path: to_numpy(weight).astype("float64") for weight in layer.weights}
    weights = {"/".join(path.split("/")[-2:]): weight for path, weight in weights.items()}

    def dense(name, x):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def heads(x):
        return x.reshape(*x.shape[:-1], HEADS, -1)

    own = layer.name
    q, k, v = heads(dense("query", query)), heads(dense("key", inputs)), dense("value", inputs)
    rows = exact_rows(query_places[:, None] - key_places, width)
    distances = heads(rows @ weights[f"{own}/position_kernel"])
    scores = np.einsum("bnhd,bmhd->bhnm", q + weights[f"{own}/content_bias"], k)
    scores += np.einsum("bnhd,nmhd->bhnm", q + weights[f"{own}/position_bias"], distances)
    scores = np.where(mask[:, None], scores / np.sqrt(q.shape[-1]), -np.inf)
    weights_of_keys = np.exp(scores - scores.max(-1, keepdims=True))
    weights_of_keys /= weights_of_keys.sum(-1, keepdims=True)
    attended = np.einsum("bhnm,bmhd->bnhd", weights_of_keys, heads(v))
    return dense("output", attended.reshape(*query.shape[:2], -1))


def make_layer(num_positions=7, position_width=None, **options):
    layer = kpar.layers.RelativeAttention(
        HEADS, num_positions, attention_width=WIDTH, position_width=position_width, **options
    )
    layer.build(QUERY.shape, INPUTS.shape)
    shake(layer)
    return layer


def call(layer, query_places=PLACES[4:], key_places=PLACES):
    return to_numpy(
        layer(QUERY, INPUTS, MASK, query_positions=query_places, key_positions=key_places)
    )


def test_common_checks(tmp_path):
    config = {"num_heads": 2, "num_positions": 7, "attention_width": 12, "output_width": 10}
    inputs = {
        "query": QUERY,
        "inputs": INPUTS,
        "attention_mask": MASK,
        "query_positions": np.stack([PLACES[4:]] * 2),
        "key_positions": np.stack([PLACES] * 2),
    }
    config["position_width"] = 4
    check_layer(kpar.layers.RelativeAttention, config, inputs, (2, 3, 10), 11, tmp_path)


@pytest.mark.parametrize("width", [None, 2, 16])
def test_it_equals_the_definition_by_pairs(width):
    layer = make_layer(position_width=width)
    wanted = by_hand(layer, QUERY, INPUTS, PLACES[4:], PLACES, MASK, width or WIDTH // HEADS)
    np.testing.assert_allclose(call(layer), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("gap", [0, 131000])
def test_it_equals_the_definition_at_any_distance(gap):
    layer = make_layer(num_positions=131072)
    places = PLACES[4:] + gap
    wanted = by_hand(layer, QUERY, INPUTS, places, PLACES, MASK, WIDTH // HEADS)
    np.testing.assert_allclose(call(layer, places), wanted, rtol=0, atol=1e-5)
    if gap:
        assert np.abs(wanted - call(layer)).max() > 1e-2


def test_only_distances_matter():
    layer = make_layer(num_positions=131072)
    near, far = (call(layer, PLACES[4:] + start, PLACES + start) for start in (0, 131000))
    np.testing.assert_allclose(near, far, rtol=0, atol=1e-5)


def test_bfloat16_is_no_worse_at_a_great_distance_than_at_a_small_one():
    exact = make_layer(num_positions=131072)
    mixed = make_layer(num_positions=131072, dtype="mixed_bfloat16")

    def error(gap):
        close = keras.ops.cast(
            mixed(
                QUERY, INPUTS, MASK, query_positions=PLACES[4:] + gap, key_positions=PLACES + 100
            ),
            "float32",
        )
        return np.abs(to_numpy(close) - call(exact, PLACES[4:] + gap, PLACES + 100))

    assert error(100).mean() < 0.02
    assert error(130900).mean() < 0.02


@pytest.mark.parametrize(
    "route",
    [
        kpar.models.AttentionRoute(key_chunk_size=3),
        kpar.models.AttentionRoute(head_group_size=1, query_chunk_size=2),
    ],
)
def test_every_route_takes_keys_wider_than_values(route):
    plain, routed = make_layer(position_width=16), make_layer(position_width=16, route=route)
    np.testing.assert_allclose(call(routed), call(plain), rtol=0, atol=1e-6)


def test_places_of_each_row():
    layer = make_layer(num_positions=20)
    starts = np.array([[0], [9]], "int32")
    rows = call(layer, PLACES[4:] + starts, PLACES + 0 * starts)
    np.testing.assert_allclose(rows[0], call(layer)[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(rows[1], call(layer, PLACES[4:] + 9)[1], rtol=0, atol=1e-6)


def test_what_it_cannot_be_made_of():
    with pytest.raises(ValueError, match="`position_width` must be even.* position_width=5"):
        make_layer(position_width=5)
    with pytest.raises(ValueError, match="`num_positions` must be an integer ≥ 1"):
        make_layer(num_positions=0)
