import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import performance_augmentation, performance_codec
from keras_perceiver_ar.codecs.notes import make_notes
from pipelines.experiment import performance_statistics as statistics

# On a grid of 1/64 s, so that sums are exact.
NOTE = st.tuples(st.integers(0, 640), st.integers(1, 128), st.integers(33, 96), st.integers(1, 127))
NOTES = st.lists(NOTE, min_size=1, max_size=30).map(lambda rows: notes_of(*zip(*rows)))
MEASURES = (
    statistics.notes_per_second,
    statistics.mean_velocity,
    statistics.polyphony,
    statistics.seconds,
)


def notes_of(onsets, lengths, pitches, velocities):
    onsets = np.array(onsets) / 64
    return make_notes(
        onsets, onsets + np.array(lengths) / 64, np.array(pitches), np.array(velocities)
    )


def polyphony_step_by_step(notes):
    """The mean of how many notes sound, over the steps of the grid in which one does."""
    steps = np.arange(0, 769) / 64
    sounding = (notes["onset"] <= steps[:, None]) & (steps[:, None] < notes["offset"])
    counts = sounding.sum(axis=1)
    return counts[counts > 0].mean()


def test_figures_of_a_short_performance():
    """C E G broken and held, then silence, then C an octave up."""
    notes = notes_of((0, 32, 64, 256), (128, 96, 64, 64), (60, 64, 67, 72), (40, 50, 60, 70))
    assert statistics.seconds(notes) == 5
    assert statistics.notes_per_second(notes) == 4 / 5
    assert statistics.mean_velocity(notes) == 55
    # 2 + 1.5 + 1 + 1 seconds of notes in 3 seconds of sound.
    assert statistics.polyphony(notes) == pytest.approx(5.5 / 3)
    assert statistics.onset_gaps(notes).tolist() == [0.5, 0.5, 3]
    assert statistics.pitch_class_counts(notes).tolist() == [2, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]


@given(NOTES)
def test_polyphony_is_the_mean_over_the_time_that_sounds(notes):
    assert statistics.polyphony(notes) == pytest.approx(polyphony_step_by_step(notes))
    assert statistics.polyphony(notes) >= 1 - 1e-12


@given(NOTES, st.sampled_from((0.5, 2.0, 4.0)))
def test_a_slower_performance_has_as_many_notes_fewer_in_a_second(notes, factor):
    slower = performance_augmentation.stretch(notes, factor)
    assert statistics.seconds(slower) == statistics.seconds(notes) * factor
    rate = statistics.notes_per_second(notes)
    assert statistics.notes_per_second(slower) == pytest.approx(rate / factor)
    assert np.allclose(statistics.onset_gaps(slower), statistics.onset_gaps(notes) * factor)
    for measure in (statistics.polyphony, statistics.mean_velocity):
        assert measure(slower) == pytest.approx(measure(notes))


@given(NOTES, st.integers(1, 640))
def test_when_it_begins_changes_nothing(notes, delay):
    later = make_notes(
        notes["onset"] + delay / 64, notes["offset"] + delay / 64, notes["pitch"], notes["velocity"]
    )
    for measure in MEASURES:
        assert measure(later) == pytest.approx(measure(notes))
    assert np.array_equal(statistics.onset_gaps(later), statistics.onset_gaps(notes))


@given(NOTES, st.integers(-12, 12))
def test_another_key_turns_the_pitch_classes(notes, semitones):
    moved = performance_augmentation.transpose(notes, semitones)
    wanted = np.roll(statistics.pitch_class_counts(notes), semitones)
    assert np.array_equal(statistics.pitch_class_counts(moved), wanted)
    assert statistics.pitch_class_counts(notes).sum() == len(notes)


COUNTS = st.lists(st.integers(0, 9), min_size=12, max_size=12).map(np.array)
COUNTS = COUNTS.filter(lambda counts: counts.sum() > 0)


@given(COUNTS, COUNTS, COUNTS, st.integers(1, 5))
def test_distances_of_histograms_are_distances(one, other, third, times):
    distance = statistics.histogram_distance
    assert distance(one, one * times) == pytest.approx(0)
    assert distance(one, other) == pytest.approx(distance(other, one))
    assert distance(one, third) <= distance(one, other) + distance(other, third) + 1e-12
    assert 0 <= distance(one, other) <= 1 + 1e-12


def test_distance_is_the_share_that_lies_elsewhere():
    assert statistics.histogram_distance(np.array([3, 1]), np.array([1, 1])) == 0.25
    assert statistics.histogram_distance(np.array([2, 0]), np.array([0, 5])) == 1


@given(NOTES, st.data())
def test_a_continuation_is_what_begins_behind_the_given_events(notes, data):
    ids = np.concatenate([[2], performance_codec.encode(notes)]).astype(np.int32)
    at = data.draw(st.integers(1, len(ids)))
    whole, found = performance_codec.decode(ids), statistics.continuation(ids, at)
    begun = (
        (ids[:at] >= performance_codec.NOTE_ON) & (ids[:at] < performance_codec.NOTE_OFF)
    ).sum()
    wanted = whole[begun:]  # a piano's notes: their order is that of their note-ons
    assert found["pitch"].tolist() == wanted["pitch"].tolist()
    assert found["velocity"].tolist() == wanted["velocity"].tolist()
    start = performance_codec.times(ids[:at])[-1]
    assert np.allclose(found["onset"], wanted["onset"] - start)
    assert np.allclose(found["offset"], wanted["offset"] - start)


def test_summary_of_silence_and_of_a_single_note():
    none = statistics.summary(performance_codec.decode(np.zeros(0, np.int32)))
    assert none.pop("notes") == 0 and np.isnan(list(none.values())).all()
    one = statistics.summary(notes_of((64,), (32,), (61,), (100,)))
    assert (one["notes"], one["notes_per_second"], one["polyphony"]) == (1, 2, 1)
    assert one["pitch_class_1"] == 1 and one["pitch_class_0"] == 0
    assert np.isnan(one["onset_gap_50"])  # there is no other onset


@given(NOTES)
def test_summary_holds_the_figures(notes):
    found = statistics.summary(notes)
    quantiles = [found[f"onset_gap_{q}"] for q in statistics.QUANTILES]
    assert quantiles == sorted(quantiles) or np.isnan(quantiles).all()
    assert sum(found[f"pitch_class_{number}"] for number in range(12)) == pytest.approx(1)
    assert found["velocity"] == statistics.mean_velocity(notes)
    assert found["polyphony"] == statistics.polyphony(notes)
