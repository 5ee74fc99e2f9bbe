import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar import positions as positions_lib
from tests.keras_perceiver_ar.support import GOLDEN, to_numpy


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "primitives.npz")


def exact_row(position, width):
    """One row of the sinusoidal table in float64."""
    bands = width // 2
    angles = position * 1e4 ** -(np.arange(bands) / (bands - 1))
    return np.concatenate([np.sin(angles), np.cos(angles), np.zeros(width % 2)])


def test_positions_count_from_one_and_are_zero_on_padding():
    positions = positions_lib.positions_from_start(np.array([4, 2, 0], "int32"), 4)
    assert to_numpy(positions).tolist() == [[1, 2, 3, 4], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert to_numpy(positions).dtype == np.int32


def test_positions_from_the_end():
    positions = positions_lib.positions_from_end(np.array([4, 2, 0], "int32"), 4)
    assert to_numpy(positions).tolist() == [[3, 2, 1, 0], [1, 0, 3, 2], [3, 2, 1, 0]]
    assert to_numpy(positions).dtype == np.int32


def test_positions_from_the_end_are_the_original_s(golden):
    positions = positions_lib.positions_from_end(golden["seq_len"].astype("int32"), 6)
    assert (to_numpy(positions) == golden["terminal_relative"]).all()


def test_the_next_event_is_the_target():
    found = positions_lib.with_targets(np.array([[1, 1], [4, 2], [3, 5]], np.uint8))
    assert found.tolist() == [[1, 1, 4, 2], [4, 2, 3, 5], [3, 5, 0, 0]]
    assert found.dtype == np.int32


@pytest.mark.parametrize("width, num_rows", [(32, 33), (33, 20), (64, 131)])
def test_sinusoidal_table_of_the_original(golden, width, num_rows):
    wanted = golden[f"sinusoidal_{width}_{num_rows}"]
    # The original takes the sine of a float32 angle: up to 130 · 2⁻²⁴ beside the exact value.
    np.testing.assert_allclose(
        positions_lib.table("sinusoidal", num_rows, width), wanted, rtol=0, atol=8e-6
    )
    rows = positions_lib.table_rows("sinusoidal", np.arange(num_rows), num_rows, width)
    np.testing.assert_allclose(to_numpy(rows), wanted, rtol=0, atol=8e-6)


@pytest.mark.parametrize("width", [16, 17])
@pytest.mark.parametrize("position", [0, 255, 256, 8191, 131_072, 1_000_000])
def test_sinusoidal_rows_are_exact_at_any_length(position, width):
    row = positions_lib.table_rows("sinusoidal", np.array([[position]]), position + 1, width)
    assert row.shape == (1, 1, width)
    np.testing.assert_allclose(to_numpy(row)[0, 0], exact_row(position, width), rtol=0, atol=2e-7)


@given(st.lists(st.integers(0, 599), min_size=6, max_size=6))
def test_sinusoidal_rows_are_rows_of_the_table(positions):
    rows = positions_lib.table_rows("sinusoidal", np.array(positions).reshape(2, 3), 600, 10)
    table = positions_lib.table("sinusoidal", 600, 10)
    np.testing.assert_allclose(
        to_numpy(rows), table[positions].reshape(2, 3, 10), rtol=0, atol=2e-7
    )


def test_sinusoidal_rows_beyond_the_table_are_clipped():
    rows = to_numpy(positions_lib.table_rows("sinusoidal", np.array([-3, 0, 9, 12]), 10, 8))
    assert (rows[0] == rows[1]).all()
    assert (rows[2] == rows[3]).all()
    assert (rows[1] != rows[2]).any()


def test_rotary_frequencies_include_the_longest_wavelength():
    frequencies = positions_lib.rotary_frequencies(8, 64)
    np.testing.assert_allclose(1 / frequencies, 64.0 ** (np.arange(4) / 3), rtol=1e-6)
    assert positions_lib.rotary_frequencies(2, 64).tolist() == [1.0]


@pytest.mark.parametrize("num_rotated, max_wavelength", [(16, 64), (8, 64), (4, 32), (2, 32)])
def test_angles_of_the_original(golden, num_rotated, max_wavelength):
    frequencies = positions_lib.rotary_frequencies(num_rotated, max_wavelength)
    angles = np.repeat(golden["rot_pos"][..., None] * frequencies, 2, axis=-1)
    for name, function in (("cos", np.cos), ("sin", np.sin)):
        wanted = golden[f"rot_{name}_{num_rotated}_{max_wavelength}"][:, 0]
        np.testing.assert_allclose(function(angles), wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "channels, heads", [("1.0", "1.0"), ("0.5", "1.0"), ("0.25", "0.5"), ("0.4", "0.8")]
)
def test_rotations_of_the_original(golden, channels, heads):
    num_rotated = 2 * int(16 * float(channels) / 2)
    rotated = positions_lib.rotate_channels(
        golden["rot_x"],
        golden["rot_pos"],
        positions_lib.rotary_frequencies(num_rotated, 64),
        int(4 * float(heads)),
    )
    np.testing.assert_allclose(
        to_numpy(rotated), golden[f"rot_out_{channels}_{heads}"], rtol=0, atol=3e-5
    )


def test_rotation_by_hand():
    x = np.array([1.0, 0.0, 0.0, 1.0, 5.0, 6.0], "float32").reshape(1, 1, 1, 6)
    quarter = np.array([np.pi / 2, np.pi], "float32")
    rotated = positions_lib.rotate_channels(x, np.array([[1]]), quarter)
    np.testing.assert_allclose(to_numpy(rotated)[0, 0, 0], [0, 1, 0, -1, 5, 6], atol=1e-6)


def test_only_the_first_heads_and_channels_are_rotated():
    x = np.ones((1, 3, 4, 8), "float32")
    positions, frequencies = np.array([[1, 2, 3]]), np.ones(2, "float32")
    rotated = to_numpy(positions_lib.rotate_channels(x, positions, frequencies, num_heads=3))
    assert (rotated[:, :, :3, :4] != 1).all()
    assert (rotated[:, :, 3:] == 1).all()
    assert (rotated[..., 4:] == 1).all()
    for nothing in (
        positions_lib.rotate_channels(x, positions, frequencies, num_heads=0),
        positions_lib.rotate_channels(x, positions, frequencies[:0]),
    ):
        assert (to_numpy(nothing) == x).all()


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_scores_depend_on_the_distance_alone(query_position, key_position, shift):
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 8)).astype("float32")
    frequencies = positions_lib.rotary_frequencies(8, 64)

    def score(by):
        rotate = positions_lib.rotate_channels
        turned = rotate(query, np.array([[query_position + by]]), frequencies)
        return float(
            np.sum(
                to_numpy(turned)
                * to_numpy(rotate(key, np.array([[key_position + by]]), frequencies))
            )
        )

    np.testing.assert_allclose(score(0), score(shift), rtol=0, atol=5e-5)


@pytest.mark.parametrize("query, keys", [(5, (0, 3, 5, 9)), (131071, (0, 65536, 131070, 131071))])
def test_waves_of_a_distance_are_waves_of_the_key_s_place(query, keys):
    width, num_rows = 32, 131072
    coefficients = np.random.default_rng(0).normal(size=(3, width))
    row = positions_lib.table_rows("sinusoidal", np.array(query), num_rows, width)
    turned = positions_lib.turn_to_keys(coefficients.astype("float32"), row)
    rows = positions_lib.table_rows("sinusoidal", np.array(keys), num_rows, width)
    products = to_numpy(turned) @ to_numpy(rows).T
    distances = np.stack([exact_row(query - key, width) for key in keys])
    np.testing.assert_allclose(products, coefficients @ distances.T, rtol=0, atol=5e-6)
