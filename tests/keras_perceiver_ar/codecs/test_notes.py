import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import notes as notes_module
from keras_perceiver_ar.codecs.notes import NOTE, check_notes, end_at_restrike, make_notes
from tests.keras_perceiver_ar.codecs.performances import performance


def ints(*values):
    return np.array(values, np.int64)


def test_notes_are_sorted_by_onset_then_pitch():
    notes = make_notes([1, 0, 1], [2, 3, 2], [60, 62, 59], [1, 127, 64])
    assert notes.dtype == NOTE
    assert notes.tolist() == [(0, 3, 62, 127), (1, 2, 59, 64), (1, 2, 60, 1)]
    assert make_notes([], [], [], []).shape == (0,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((-0.5, 1.0, 60, 64), "`onsets` must be in 0 … 1e6 s, got -0.5"),
        ((np.nan, 1.0, 60, 64), "`onsets` must be in 0 … 1e6 s, got nan"),
        ((1.0, 0.9, 60, 64), "`offsets` must be at or after the onset.*got 0.9"),
        ((1.0, np.inf, 60, 64), "`offsets` must be.*at most 1e6 s, got inf"),
        ((0.0, 1.0, 128, 64), "`pitches` must be in 0 … 127, got 128"),
        ((0.0, 1.0, 60, 0), "`velocities` must be in 1 … 127, got 0"),
    ],
)
def test_values_outside_their_range_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        performance((0.0, 1.0, 60, 64), row)


def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError, match="`pitches` must be integers, got float64"):
        make_notes([0], [1], [60.5], [64])
    with pytest.raises(ValueError, match="one shape"):
        make_notes([0, 1], [1], [60], [64])
    with pytest.raises(TypeError, match="onset, offset, pitch, velocity, got list"):
        check_notes([(0, 1, 60, 64)])
    with pytest.raises(TypeError, match="got float64"):
        check_notes(np.zeros((3, 4)))


def test_a_pitch_struck_again_ends_the_note_before():
    settled = end_at_restrike(ints(0, 5, 2), ints(10, 7, 9), ints(60, 60, 61), ints(8, 9, 10))
    assert [part.tolist() for part in settled] == [[0, 2, 5], [5, 9, 7], [60, 61, 60], [8, 10, 9]]


def test_notes_that_cannot_be_told_apart_become_one():
    settled = end_at_restrike(ints(3, 3, 3), ints(9, 4, 3), ints(60, 60, 60), ints(1, 7, 2))
    assert [part.tolist() for part in settled] == [[3], [9], [60], [7]]


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 2, st.integers(0, 2), st.integers(1, 9))))
def test_at_most_one_note_of_a_pitch_sounds(rows):
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    columns[1] += columns[0]
    onsets, offsets, pitches, _ = settled = end_at_restrike(*columns)
    assert (offsets > onsets).all()
    assert set(zip(onsets, pitches)) == set(zip(columns[0], columns[2]))
    assert len(set(zip(onsets, pitches))) == len(onsets)
    for pitch in range(3):
        of_pitch = pitches == pitch
        assert (onsets[of_pitch][1:] >= offsets[of_pitch][:-1]).all()
    assert all((a == b).all() for a, b in zip(settled, end_at_restrike(*settled)))


def test_the_limits_are_midi_s():
    assert (notes_module.NUM_PITCHES, notes_module.MAX_VELOCITY) == (128, 127)
