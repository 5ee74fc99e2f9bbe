"""The same performance in another key or at another pace. N number of notes."""

import math

from keras_perceiver_ar.codecs.notes import check_notes, make_notes

# The keys of a piano.
LOWEST = 21
HIGHEST = 108


def transposition_range(notes, lowest=LOWEST, highest=HIGHEST):
    """How far a performance may move before a note leaves the keyboard.

    Args:
        notes: records (N,) of dtype `notes.NOTE`.
        lowest: int. Lowest pitch there is.
        highest: int. Highest pitch there is.

    Returns:
        (least, most), semitones that `transpose` takes; (0, 0) if there are no notes, or if one is
        outside the keyboard already.
    """
    pitches = check_notes(notes)["pitch"]
    if not len(pitches):
        return 0, 0
    least, most = lowest - int(pitches.min()), highest - int(pitches.max())
    return (least, most) if least <= 0 <= most else (0, 0)


def transpose(notes, semitones, lowest=LOWEST, highest=HIGHEST):
    """Moves every pitch. A shift that a note could not follow is refused, never shortened.

    Args:
        notes: records (N,) of dtype `notes.NOTE`.
        semitones: int. Upwards, or downwards if negative.
        lowest: int. Lowest pitch there is.
        highest: int. Highest pitch there is.

    Returns:
        records (N,) of dtype `notes.NOTE`, a copy.

    Raises:
        TypeError: `notes` are no such records.
        ValueError: a note would leave the keyboard; `transposition_range` says what would do.
    """
    notes = check_notes(notes)
    least, most = transposition_range(notes, lowest, highest)
    if len(notes) and semitones and not least <= semitones <= most:
        raise ValueError(
            f"`semitones` must lie in {least} … {most}, so that every note stays within pitches "
            f"{lowest} … {highest}; got {semitones}."
        )
    return make_notes(
        notes["onset"], notes["offset"], notes["pitch"] + int(semitones), notes["velocity"]
    )


def stretch(notes, factor):
    """Multiplies every time: above 1 the performance is slower.

    Args:
        notes: records (N,) of dtype `notes.NOTE`.
        factor: float above 0.

    Returns:
        records (N,) of dtype `notes.NOTE`, a copy.

    Raises:
        TypeError: `notes` are no such records.
        ValueError: `factor` is not a positive finite number.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"`factor` must be a finite number above 0, got {factor}.")
    notes = check_notes(notes)
    return make_notes(
        notes["onset"] * factor, notes["offset"] * factor, notes["pitch"], notes["velocity"]
    )
