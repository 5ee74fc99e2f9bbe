import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar import masks, selection
from tests.keras_perceiver_ar.support import to_numpy

M = 40
LENGTHS = np.array([40, 25, 9, 1, 0], "int32")


def seed(number):
    return np.array([7, number], "uint32")


def test_each_row_drops_for_itself_and_at_its_rate():
    keep = to_numpy(selection.keep_each(seed(0), 0.3, (64, 500)))
    assert abs(keep.mean() - 0.7) < 0.01
    assert len({row.tobytes() for row in keep}) == 64
    assert (to_numpy(selection.keep_each(seed(0), 0.3, (64, 500))) == keep).all()
    assert (to_numpy(selection.keep_each(seed(1), 0.3, (64, 500))) != keep).any()


@pytest.mark.parametrize("spared", [0, 4])
def test_dropped_inputs_have_a_step_behind_all(spared):
    steps = to_numpy(selection.drop_inputs(seed(3), 0.9, LENGTHS, M, spared))
    index = np.arange(M)
    assert ((steps == index) | (steps == masks.NOWHERE)).all()
    assert (steps[:, 0] == 0).all()  # a latent that reads nothing would take the mean of all
    for row, length in enumerate(LENGTHS):
        last = slice(max(length - spared, 0), length)
        assert (steps[row, last] == index[last]).all()
    assert (steps[0, 1:-4] == masks.NOWHERE).mean() > 0.7


@given(st.integers(0, 1000), st.integers(1, M), st.integers(0, 8))
def test_exactly_so_many_inputs_are_chosen(number, count, spared):
    spared = min(spared, count - 1)
    chosen = to_numpy(selection.select_inputs(seed(number), count, LENGTHS, M, spared))
    assert chosen.shape == (len(LENGTHS), count)
    assert (np.diff(chosen, axis=-1) > 0).all()
    for row, length in enumerate(LENGTHS):
        valid = chosen[row][chosen[row] < length]
        # Padding takes a place only where a row has too few inputs.
        assert len(valid) == min(count, length)
        assert length == 0 or chosen[row, 0] == 0
        assert set(range(max(length - spared, 0), length)) <= set(valid.tolist())


def test_all_subsets_are_alike():
    counts = np.zeros(10)
    lengths = np.full(200, 10, "int32")
    for number in range(20):
        chosen = to_numpy(selection.select_inputs(seed(number), 4, lengths, 10))
        counts += np.bincount(chosen.ravel(), minlength=10)
    assert counts[0] == 4000  # always there; the other three places are shared by nine
    np.testing.assert_allclose(counts[1:] / 4000, 3 / 9, atol=0.03)
