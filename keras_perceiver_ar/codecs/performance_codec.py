"""A piano performance as events on a grid of 10 ms. T length of a sequence, N number of notes.

There are 388 events, and their ids start at 3 in this order: 128 note-ons, 128 note-offs (both by
pitch), 100 time shifts of 10 ms … 1 s, and 32 velocities, each for 4 of MIDI's.

- Time is absolute: each onset and offset goes to the nearest point of the grid by itself, at most
  5 ms away, however long the performance. Shifts are the differences between those points.
- A gap is written as whole seconds and then the rest. Silence before the first note is written;
  there is nothing after the last note-off.
- At one point in time, note-offs come before note-ons, and both go by rising pitch. A velocity
  stands before the first note-on, and before each that differs from the one before it.
- A note whose onset and offset go to the same point gets the step before that point if it ended
  before it, or else the step after it. So its onset or its offset may be up to 10 ms away.
- A note that still sounds when its pitch is struck again ends there. Notes of one pitch that start
  at the same point become one: the loudest of them, as long as the longest.

Reference:
    Oore et al., This Time with Feeling (https://arxiv.org/abs/1808.03715).
"""

import numpy as np

from keras_perceiver_ar.codecs.event_ids import EOS as EOS
from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED, check_ids
from keras_perceiver_ar.codecs.event_ids import PAD as PAD
from keras_perceiver_ar.codecs.event_ids import SOS as SOS
from keras_perceiver_ar.codecs.notes import (
    NUM_PITCHES,
    check_notes,
    end_at_restrike,
    make_notes,
)

STEPS_PER_SECOND = 100
MAX_SHIFT = 100
NUM_VELOCITIES = 32
NOTE_ON = NUM_RESERVED
NOTE_OFF = NOTE_ON + NUM_PITCHES
TIME_SHIFT = NOTE_OFF + NUM_PITCHES  # the id of one step
VELOCITY = TIME_SHIFT + MAX_SHIFT
VOCAB_SIZE = VELOCITY + NUM_VELOCITIES
_BIN_WIDTH = 4
# Of a note-on before any velocity, which a model may sample: the middle of MIDI's range.
_DEFAULT_BIN = 64 // _BIN_WIDTH


def encode(notes):
    """Ids of a performance, without SOS and EOS.

    Args:
        notes: records (N,) of dtype `notes.NOTE`, in any order.

    Returns:
        int32 (T,), values 3 … 390.

    Raises:
        TypeError: `notes` are no such records.
        ValueError: a time, pitch or velocity outside its range.
    """
    notes = check_notes(notes)
    onsets, offsets, pitches, bins = end_at_restrike(
        *_to_grid(notes), notes["pitch"], notes["velocity"] // _BIN_WIDTH
    )
    steps = np.concatenate([offsets, onsets])
    ids = np.concatenate([NOTE_OFF + pitches, NOTE_ON + pitches])
    is_on = np.repeat([False, True], len(pitches))
    in_order = np.lexsort((ids, is_on, steps))
    steps, ids, is_on = steps[in_order], ids[in_order], is_on[in_order]

    # The note-ons stand in the order of the notes.
    has_velocity = np.zeros(len(ids), np.int64)
    has_velocity[is_on] = np.diff(bins, prepend=-1) != 0
    whole, rest = np.divmod(np.diff(steps, prepend=0), MAX_SHIFT)
    last = np.cumsum(whole + (rest > 0) + has_velocity + 1) - 1
    # What no line below fills is a whole second.
    sequence = np.full(last[-1] + 1 if len(last) else 0, TIME_SHIFT + MAX_SHIFT - 1, np.int32)
    sequence[last] = ids
    sequence[(last - 1)[has_velocity > 0]] = VELOCITY + bins[has_velocity[is_on] > 0]
    sequence[(last - has_velocity - 1)[rest > 0]] = TIME_SHIFT + rest[rest > 0] - 1
    return sequence


def decode(ids):
    """Notes of a sequence of ids.

    A model may sample any order: reserved ids and note-offs of silent pitches are dropped, notes
    left sounding end with the sequence, and the rest is settled as in `encode`. The velocity of a
    note is the middle of its four, or 66 if none came before it.

    Args:
        ids: integers (T,), values 0 … 390.

    Returns:
        records (N,) of dtype `notes.NOTE`, sorted by onset, then pitch.

    Raises:
        TypeError: `ids` are not integers.
        ValueError: an id outside 0 … 390, or more than one dimension.
    """
    ids = check_ids(ids, VOCAB_SIZE)
    steps = np.cumsum(_shifts(ids))
    bins = _latest(np.where(ids >= VELOCITY, ids - VELOCITY, -1), _DEFAULT_BIN)

    is_note = (ids >= NOTE_ON) & (ids < TIME_SHIFT)
    is_on = ids[is_note] < NOTE_OFF
    pitches = (ids[is_note] - NOTE_ON) % NUM_PITCHES
    by_pitch = np.argsort(pitches, kind="stable")
    at, pitches, is_on = steps[is_note][by_pitch], pitches[by_pitch], is_on[by_pitch]
    # Whatever comes next of the same pitch ends a note.
    end = np.full(len(at), steps[-1] if len(steps) else 0)
    end[:-1] = np.where(pitches[1:] == pitches[:-1], at[1:], end[:-1])
    onsets, offsets, pitches, bins = end_at_restrike(
        at[is_on], end[is_on], pitches[is_on], bins[is_note][by_pitch][is_on]
    )
    return make_notes(
        onsets / STEPS_PER_SECOND,
        offsets / STEPS_PER_SECOND,
        pitches,
        bins * _BIN_WIDTH + _BIN_WIDTH // 2,
    )


def times(ids):
    """When each event happens; a time shift, where it ends.

    Args:
        ids: integers (T,), values 0 … 390.

    Returns:
        float64 (T,), seconds from the start of the performance, in rising order.

    Raises:
        TypeError: `ids` are not integers.
        ValueError: an id outside 0 … 390, or more than one dimension.
    """
    return np.cumsum(_shifts(check_ids(ids, VOCAB_SIZE))) / STEPS_PER_SECOND


def _shifts(ids):
    """Steps of each event, 0 for what is no time shift."""
    is_shift = (ids >= TIME_SHIFT) & (ids < VELOCITY)
    return np.where(is_shift, ids - TIME_SHIFT + 1, 0)


def _to_grid(notes):
    """Onsets and offsets in steps, int64 (N,) each."""
    exact = notes["offset"] * STEPS_PER_SECOND
    onsets = np.rint(notes["onset"] * STEPS_PER_SECOND).astype(np.int64)
    offsets = np.rint(exact).astype(np.int64)
    is_before = (onsets == offsets) & (exact < offsets)
    # Unless it would meet another note of its pitch there, and become one with it.
    places = onsets * NUM_PITCHES + notes["pitch"]
    is_before &= ~np.isin(places - NUM_PITCHES, places)
    return onsets - is_before, offsets


def _latest(values, before):
    """Each value, or the last one before it where it is negative."""
    index = np.maximum.accumulate(np.where(values >= 0, np.arange(len(values)), -1))
    return np.where(index >= 0, values[index], before) if len(values) else values
