import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import positions as positions_lib
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import to_numpy

X = np.random.default_rng(0).normal(size=(2, 3, 4, 8)).astype("float32")
POSITIONS = np.array([[1, 2, 3], [40, 41, 42]], "int32")


def test_common_checks(tmp_path):
    config = {
        "max_wavelength": 64,
        "channel_fraction": 0.5,
        "head_fraction": 0.75,
        "from_end": True,
    }
    inputs = {"x": X, "positions": POSITIONS}
    check_layer(kpar.layers.RotaryEmbedding, config, inputs, X.shape, 0, tmp_path)


def test_fractions_are_rounded_down():
    # 0.4 · 8 = 3.2 channels are one pair, 0.7 · 4 = 2.8 heads are two.
    rotated = kpar.layers.RotaryEmbedding(64, channel_fraction=0.4, head_fraction=0.7)(X, POSITIONS)
    frequencies = positions_lib.rotary_frequencies(2, 64)
    wanted = to_numpy(positions_lib.rotate_channels(X, POSITIONS, frequencies, 2))
    assert (to_numpy(rotated) == wanted).all()
    changed = (wanted != X).any(axis=(0, 1))
    assert changed.tolist() == [[True] * 2 + [False] * 6] * 2 + [[False] * 8] * 2


def test_no_heads_to_rotate():
    rotated = kpar.layers.RotaryEmbedding(64, head_fraction=0)(X, POSITIONS)
    assert (to_numpy(rotated) == X).all()


def test_position_zero_turns_nothing():
    rotated = kpar.layers.RotaryEmbedding(64)(X, np.zeros((2, 3), "int32"))
    assert (to_numpy(rotated) == X).all()


def test_angles_stay_float32_in_bfloat16():
    """bfloat16 counts no further than 256 by ones; a position of 70,001 must not be rounded."""
    x = np.ones((1, 1, 1, 2), "float32")
    layer = kpar.layers.RotaryEmbedding(1e6, channel_fraction=1.0, dtype="bfloat16")
    rotated = to_numpy(layer(x, np.array([[70_001]], "int32"))).astype("float32")[0, 0, 0]
    angle = 70_001.0
    wanted = [np.cos(angle) - np.sin(angle), np.cos(angle) + np.sin(angle)]
    np.testing.assert_allclose(rotated, wanted, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    "culprit, arguments",
    [
        ("channel_fraction=1.5", {"channel_fraction": 1.5}),
        ("channel_fraction=-0.1", {"channel_fraction": -0.1}),
        ("head_fraction=2", {"head_fraction": 2}),
        ("max_wavelength=0", {"max_wavelength": 0}),
    ],
)
def test_refusals(culprit, arguments):
    with pytest.raises(ValueError, match=f"Received: {culprit}"):
        kpar.layers.RotaryEmbedding(**{"max_wavelength": 64, **arguments})


def test_heads_too_narrow_to_rotate():
    x = np.ones((1, 3, 2, 2), "float32")
    rotated = kpar.layers.RotaryEmbedding(9)(x, positions=np.array([[1, 2, 3]]))  # half of 2
    assert (to_numpy(rotated) == x).all()


def test_every_index_dimension_turns_its_own_channels():
    layer = kpar.layers.RotaryEmbedding(9, 1.0, num_index_dimensions=2)
    x = np.ones((1, 1, 1, 8), "float32")
    still = to_numpy(layer(x, positions=np.array([[[0, 0]]])))
    assert (still == x).all()
    first = to_numpy(layer(x, positions=np.array([[[5, 0]]])))
    second = to_numpy(layer(x, positions=np.array([[[0, 5]]])))
    assert (first[..., 4:] == 1).all() and (first[..., :4] != 1).all()
    assert (second[..., :4] == 1).all() and (second[..., 4:] == first[..., :4]).all()


def test_positions_of_another_number_of_dimensions_are_refused():
    layer = kpar.layers.RotaryEmbedding(9, num_index_dimensions=2)
    with pytest.raises(ValueError, match="must have 2 index dimension"):
        layer(np.ones((1, 1, 1, 8), "float32"), positions=np.array([[5]]))
