"""Notes of a performance: an array of records, one per note. N number of notes."""

import numpy as np

NOTE = np.dtype(
    [("onset", np.float64), ("offset", np.float64), ("pitch", np.int32), ("velocity", np.int32)]
)
NUM_PITCHES = 128
MAX_VELOCITY = 127
# Eleven days. A time from a broken file would otherwise ask for any number of time shifts.
MAX_SECONDS = 1e6


def make_notes(onsets, offsets, pitches, velocities):
    """Notes from their parts.

    Args:
        onsets: numbers (N,). Seconds from the start of the performance, 0 … 1e6.
        offsets: numbers (N,). Seconds at which each note falls silent: its onset … 1e6.
        pitches: integers (N,). MIDI numbers 0 … 127.
        velocities: integers (N,). 1 … 127.

    Returns:
        records (N,) of dtype `NOTE`, sorted by onset, pitch, offset and velocity.

    Raises:
        TypeError: pitches or velocities are not integers.
        ValueError: a value outside its range, or parts of different shapes.
    """
    parts = [np.asarray(part) for part in (onsets, offsets, pitches, velocities)]
    shapes = [part.shape for part in parts]
    if len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise ValueError(f"The parts of notes must all have one shape (N,), got {shapes}.")
    for name, part in zip(("pitches", "velocities"), parts[2:], strict=True):
        if part.size and not np.issubdtype(part.dtype, np.integer):
            raise TypeError(f"`{name}` must be integers, got {part.dtype}.")
    onsets, offsets, pitches, velocities = parts
    _check("onsets", onsets, (onsets >= 0) & (onsets <= MAX_SECONDS), "in 0 … 1e6 s")
    in_range = (offsets >= onsets) & (offsets <= MAX_SECONDS)
    _check("offsets", offsets, in_range, "at or after the onset, and at most 1e6 s")
    _check("pitches", pitches, (pitches >= 0) & (pitches < NUM_PITCHES), "in 0 … 127")
    _check("velocities", velocities, (velocities > 0) & (velocities <= MAX_VELOCITY), "in 1 … 127")
    notes = np.empty(len(onsets), NOTE)
    for name, part in zip(NOTE.names, parts, strict=True):
        notes[name] = part
    return notes[np.lexsort((velocities, offsets, pitches, onsets))]


def check_notes(notes):
    """Refuses what is no array of notes.

    Args:
        notes: records (N,) of dtype `NOTE`.

    Returns:
        records (N,) of dtype `NOTE`, sorted as `make_notes` sorts them.

    Raises:
        TypeError: `notes` are no records with the fields of `NOTE`.
        ValueError: a value outside its range, or not one dimension.
    """
    names = getattr(getattr(notes, "dtype", None), "names", None)
    if names != NOTE.names:
        came = getattr(notes, "dtype", type(notes).__name__)
        raise TypeError(f"`notes` must be records with {', '.join(NOTE.names)}, got {came}.")
    return make_notes(*(notes[name] for name in NOTE.names))


def end_at_restrike(onsets, offsets, pitches, velocities):
    """Notes on a grid as a piano can play them: at most one of a pitch sounds at a time.

    A note is at least one step long. One that still sounds when its pitch is struck again ends
    there. Notes of one pitch with one onset cannot be told apart: they become one, with the latest
    offset and the greatest velocity among them.

    Args:
        onsets: int64 (N,). Steps.
        offsets: int64 (N,). Steps.
        pitches: int (N,).
        velocities: int (N,).

    Returns:
        The four for the K ≤ N notes left, int64 (K,) each, sorted by onset, then pitch.
    """
    columns = [np.asarray(c, np.int64) for c in (onsets, offsets, pitches, velocities)]
    by_pitch = np.lexsort((columns[0], columns[2]))
    onsets, offsets, pitches, velocities = (column[by_pitch] for column in columns)
    if not len(onsets):
        return onsets, offsets, pitches, velocities
    is_new = np.ones(len(onsets), bool)
    is_new[1:] = (np.diff(onsets) != 0) | (np.diff(pitches) != 0)
    first = np.flatnonzero(is_new)
    onsets, pitches = onsets[first], pitches[first]
    velocities = np.maximum.reduceat(velocities, first)
    offsets = np.maximum(np.maximum.reduceat(offsets, first), onsets + 1)
    # The next note in this order is the next of the same pitch, or of another.
    same = pitches[1:] == pitches[:-1]
    offsets[:-1] = np.where(same, np.minimum(offsets[:-1], onsets[1:]), offsets[:-1])
    in_time = np.lexsort((pitches, onsets))
    return onsets[in_time], offsets[in_time], pitches[in_time], velocities[in_time]


def _check(name, values, good, what):
    if not np.all(good):
        raise ValueError(f"`{name}` must be {what}, got {values[~good][0]}.")
