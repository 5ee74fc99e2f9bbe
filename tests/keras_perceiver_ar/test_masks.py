import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar import masks
from tests.keras_perceiver_ar.support import GOLDEN, to_numpy

# Three rows: a full one, one shorter than the four latents, and one of padding alone.
LENGTHS = [6, 3, 0]
STEPS = np.array([[2, 3, 4, 5], [-1, 0, 1, 2], [-1, -1, -1, -1]], "int32")

rows = st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=4).map(
    lambda ids: np.array(ids, "int32")
)


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "primitives.npz")


def test_a_row_ends_at_its_first_zero():
    ids = [[7, 8, 9, 5], [7, 0, 9, 5], [0, 7, 8, 9], [7, 8, 9, 0], [0, 0, 0, 0]]
    lengths = masks.sequence_lengths(np.array(ids, "int32"))
    assert to_numpy(lengths).tolist() == [4, 1, 0, 3, 0]
    assert to_numpy(lengths).dtype == np.int32


def test_latents_sit_on_the_last_inputs():
    assert to_numpy(masks.latent_steps(LENGTHS, 4)).tolist() == STEPS.tolist()
    assert to_numpy(masks.latent_steps([6, 2], 1)).tolist() == [[5], [1]]
    assert to_numpy(masks.latent_steps([3], 3)).tolist() == [[0, 1, 2]]


def test_cross_attention_mask():
    assert to_numpy(masks.cross_attention_mask(STEPS, 6).dense()).astype(int).tolist() == [
        [
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1],
        ],
        [
            [0, 0, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
        ],
        [
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ],
    ]


def test_cross_attention_mask_of_as_many_latents_as_inputs():
    steps = masks.latent_steps([3, 2], 3)
    assert to_numpy(masks.cross_attention_mask(steps, 3).dense()).astype(int).tolist() == [
        [
            [1, 0, 0],
            [1, 1, 0],
            [1, 1, 1],
        ],
        [
            [0, 0, 0],
            [1, 0, 0],
            [1, 1, 0],
        ],
    ]


def test_latent_attention_mask():
    assert to_numpy(masks.latent_attention_mask(STEPS).dense()).astype(int).tolist() == [
        [
            [1, 0, 0, 0],
            [1, 1, 0, 0],
            [1, 1, 1, 0],
            [1, 1, 1, 1],
        ],
        [
            [1, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 1, 1, 0],
            [0, 1, 1, 1],
        ],
        [
            [1, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
        ],
    ]


def test_masks_of_a_functional_model():
    steps = keras.Input((4,), dtype="int32")
    built = [masks.cross_attention_mask(steps, 5), masks.latent_attention_mask(steps)]
    cross, latent = keras.Model(steps, built)(STEPS)
    wanted = masks.cross_attention_mask(STEPS, 5), masks.latent_attention_mask(STEPS)
    assert np.array_equal(to_numpy(cross), to_numpy(wanted[0].dense()))
    assert np.array_equal(to_numpy(latent), to_numpy(wanted[1].dense()))


@pytest.mark.parametrize("num_latents", [4, 6])
def test_masks_of_the_original(golden, num_latents):
    lengths = masks.sequence_lengths(golden["seqs"])
    assert (to_numpy(lengths) == golden["seq_len"]).all()
    steps = masks.latent_steps(lengths, num_latents)
    assert (to_numpy(steps) == golden[f"mask_steps_{num_latents}_1"]).all()
    cross = masks.cross_attention_mask(steps, golden["seqs"].shape[1]).dense()
    assert (to_numpy(cross) == golden[f"mask_enc_{num_latents}_1"][:, 0]).all()
    latent = masks.latent_attention_mask(steps).dense()
    assert (to_numpy(latent) == golden[f"mask_proc_{num_latents}_1"][:, 0]).all()


@given(rows, st.integers(1, 6))
def test_masks_follow_from_the_steps(ids, num_latents):
    lengths = to_numpy(masks.sequence_lengths(ids))
    steps = to_numpy(masks.latent_steps(lengths, num_latents))
    cross = to_numpy(masks.cross_attention_mask(steps, 5).dense())
    latent = to_numpy(masks.latent_attention_mask(steps).dense())
    for row, length in enumerate(lengths):
        assert (ids[row, :length] > 0).all()
        assert length == 5 or ids[row, length] == 0
        wanted = [-1] * num_latents + list(range(length))
        assert steps[row].tolist() == wanted[-num_latents:]
        assert cross[row].sum(-1).tolist() == (steps[row] + 1).tolist()
        assert not cross[row][:, length:].any()  # nobody reads padding
        for query, key in np.ndindex(num_latents, num_latents):
            allowed = query == key or (key < query and steps[row, key] >= 0)
            assert latent[row, query, key] == allowed


@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)])
def test_gather_at_steps(trailing):
    values = np.arange(2 * 5 * int(np.prod(trailing))).reshape(2, 5, *trailing)
    steps = np.array([[1, 4, 0], [-1, 2, 3]], "int32")
    picked = to_numpy(masks.gather_at_steps(values, steps))
    # −1 picks the last entry, as in the original and in NumPy.
    assert (picked == np.stack([values[0][[1, 4, 0]], values[1][[4, 2, 3]]])).all()
