import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import performance_codec as codec
from tests.keras_perceiver_ar.codecs.performances import performance, performances

ON, OFF, VELOCITY = codec.NOTE_ON, codec.NOTE_OFF, codec.VELOCITY


def shift(steps):
    return codec.TIME_SHIFT + steps - 1


def test_the_vocabulary():
    assert codec.VOCAB_SIZE == 3 + 128 + 128 + 100 + 32 == 391
    assert (ON, OFF, shift(1), shift(100), VELOCITY) == (3, 131, 259, 358, 359)


def test_ids_of_a_performance():
    notes = performance((0.5, 3.0, 60, 64), (0.5, 0.75, 64, 67), (0.75, 3.0, 67, 1))
    ids = codec.encode(notes)
    assert ids.dtype == np.int32
    assert ids.tolist() == [
        *(shift(50), VELOCITY + 16, ON + 60, ON + 64),  # 64 and 67 share a velocity event
        *(shift(25), OFF + 64, VELOCITY + 0, ON + 67),  # off before on
        *(shift(100), shift(100), shift(25), OFF + 60, OFF + 67),
    ]
    assert codec.decode(ids).tolist() == [
        (0.5, 3.0, 60, 66),
        (0.5, 0.75, 64, 66),
        (0.75, 3.0, 67, 2),
    ]
    assert codec.encode(performance()).shape == codec.decode([]).shape == (0,)


def test_a_whole_number_of_seconds_has_no_rest():
    ids = codec.encode(performance((2.0, 3.0, 60, 64)))
    assert ids.tolist() == [shift(100), shift(100), VELOCITY + 16, ON + 60, shift(100), OFF + 60]


def times(*rows):
    decoded = codec.decode(codec.encode(performance(*rows)))
    return [note[:2] for note in decoded.tolist()]


def test_a_short_note_gets_the_step_that_it_lies_in():
    assert times((0.1, 0.1, 60, 64)) == [(0.10, 0.11)]
    assert times((0.097, 0.099, 60, 64)) == [(0.09, 0.10)]
    assert times((0.099, 0.101, 60, 64)) == [(0.10, 0.11)]
    assert times((0.101, 0.103, 60, 64)) == [(0.10, 0.11)]


def test_a_short_note_does_not_swallow_the_one_before():
    assert times((0.091, 0.094, 60, 64), (0.097, 0.099, 60, 64)) == [(0.09, 0.10), (0.10, 0.11)]


def test_a_pitch_struck_again_ends_the_note_before():
    ids = codec.encode(performance((0, 2, 60, 64), (1, 3, 60, 64)))
    assert ids.tolist() == [
        *(VELOCITY + 16, ON + 60, shift(100), OFF + 60, ON + 60, shift(100), shift(100), OFF + 60)
    ]


def test_duplicates_become_the_loudest_and_longest():
    notes = codec.decode(codec.encode(performance((0, 1, 60, 9), (0.004, 2, 60, 1))))
    assert notes.tolist() == [(0, 2, 60, 10)]


@given(performances())
def test_what_encode_made_comes_back(notes):
    ids = codec.encode(notes)
    decoded = codec.decode(ids)
    assert codec.encode(decoded).tolist() == ids.tolist()
    assert set(decoded["pitch"]) == set(notes["pitch"])


@given(performances(pitches=st.integers(60, 62), seconds=st.floats(0, 1)))
def test_crowded_keys_come_back_too(notes):
    ids = codec.encode(notes)
    assert codec.encode(codec.decode(ids)).tolist() == ids.tolist()


@given(performances(max_size=127))
def test_no_time_moves_by_more_than_half_a_step(notes):
    notes["pitch"] = np.arange(len(notes))  # none ends another
    decoded = np.sort(codec.decode(codec.encode(notes)), order="pitch")
    assert len(decoded) == len(notes)
    onset, offset = (np.abs(decoded[name] - notes[name]) for name in ("onset", "offset"))
    is_short = notes["offset"] - notes["onset"] < 0.01
    assert (np.where(is_short, np.minimum(onset, offset), onset) <= 0.005 + 1e-9).all()
    assert (np.where(is_short, np.minimum(onset, offset), offset) <= 0.005 + 1e-9).all()
    assert (np.maximum(onset, offset) <= 0.01 + 1e-9).all()
    assert (np.abs(decoded["velocity"] - notes["velocity"]) <= 2).all()
    assert ((decoded["velocity"] >= 1) & (decoded["velocity"] <= 127)).all()


def test_time_does_not_drift():
    onsets = np.arange(20_000) * 0.0149  # each step rounds by up to half of it
    notes = performance(*[(t, t + 0.0149, i % 128, 64) for i, t in enumerate(onsets)])
    decoded = codec.decode(codec.encode(notes))
    assert len(decoded) == len(notes)
    assert np.abs(decoded["onset"] - notes["onset"]).max() <= 0.005 + 1e-9
    assert np.abs(decoded["offset"] - notes["offset"]).max() <= 0.005 + 1e-9


def test_when_events_happen():
    ids = codec.encode(performance((0.5, 1.75, 60, 64), (1.0, 2.0, 62, 64)))
    assert codec.times(ids).tolist() == [0.5, 0.5, 0.5, 1.0, 1.0, 1.75, 1.75, 2.0, 2.0]
    assert codec.times([2, ON, 1, 0]).tolist() == [0.0] * 4
    assert codec.times([]).tolist() == []
    with pytest.raises(ValueError, match="0 … 390, got 391"):
        codec.times([391])


def test_what_a_model_may_sample():
    ids = [
        *(2, OFF + 60, 0),  # start, an end of nothing, padding
        *(ON + 60, shift(10), ON + 62, 1),  # no velocity yet
        *(VELOCITY + 31, ON + 60, shift(5), ON + 64, OFF + 64),  # struck again; no time between
        *(OFF + 62, shift(1), OFF + 62, VELOCITY, VELOCITY + 3),
    ]
    assert codec.decode(ids).tolist() == [
        (0.0, 0.1, 60, 66),
        (0.1, 0.16, 60, 126),  # left sounding
        (0.1, 0.15, 62, 66),
        (0.15, 0.16, 64, 126),
    ]
    assert codec.decode([VELOCITY + 1, ON + 9]).tolist() == [(0.0, 0.01, 9, 6)]


@given(st.lists(st.integers(0, 390), max_size=200))
def test_any_ids_give_notes_that_encode_takes(ids):
    decoded = codec.decode(ids)
    again = codec.decode(codec.encode(decoded))
    assert again.tolist() == decoded.tolist()


def test_ids_and_notes_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match="0 … 390, got 391"):
        codec.decode([3, 391])
    with pytest.raises(TypeError, match="`notes` must be records"):
        codec.encode([[0, 1, 60, 64]])
