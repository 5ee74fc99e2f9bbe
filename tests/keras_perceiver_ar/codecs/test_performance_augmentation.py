import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import performance_augmentation as augmentation
from keras_perceiver_ar.codecs import performance_codec
from tests.keras_perceiver_ar.codecs.performances import performance, performances

NOTES = performance((0.0, 1.0, 30, 5), (0.5, 2.0, 100, 6))


def test_transposed():
    moved = augmentation.transpose(NOTES, 8)
    assert moved.tolist() == [(0.0, 1.0, 38, 5), (0.5, 2.0, 108, 6)]
    assert NOTES["pitch"].tolist() == [30, 100]
    assert augmentation.transpose(performance(), 99).shape == (0,)


def test_a_shift_that_a_note_cannot_follow_is_refused():
    assert augmentation.transposition_range(NOTES) == (-9, 8)
    for semitones in (-10, 9):
        with pytest.raises(ValueError, match=f"-9 … 8.*21 … 108; got {semitones}"):
            augmentation.transpose(NOTES, semitones)
    assert augmentation.transpose(NOTES, 27, lowest=0, highest=127)["pitch"].max() == 127


def test_a_note_off_the_keyboard_holds_the_others():
    notes = performance((0, 1, 3, 64), (0, 1, 60, 64))
    assert augmentation.transposition_range(notes) == (0, 0)
    assert augmentation.transpose(notes, 0).tolist() == notes.tolist()
    with pytest.raises(ValueError, match="0 … 0"):
        augmentation.transpose(notes, 1)


@given(performances(pitches=st.integers(21, 108)), st.data())
def test_every_shift_of_the_range_comes_back(notes, data):
    semitones = data.draw(st.integers(*augmentation.transposition_range(notes)))
    moved = augmentation.transpose(notes, semitones)
    assert augmentation.transpose(moved, -semitones).tolist() == notes.tolist()


def test_stretched():
    slow = augmentation.stretch(NOTES, 2.0)
    assert slow.tolist() == [(0.0, 2.0, 30, 5), (1.0, 4.0, 100, 6)]
    ids = performance_codec.encode(augmentation.stretch(NOTES, 1.05))
    assert np.abs(performance_codec.decode(ids)["onset"] - [0, 0.525]).max() <= 0.005 + 1e-9


@pytest.mark.parametrize("factor", [0, -1.0, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(ValueError, match=f"finite number above 0, got {factor}"):
        augmentation.stretch(NOTES, factor)
