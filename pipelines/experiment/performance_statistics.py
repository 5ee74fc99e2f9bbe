"""What a performance is like, in numbers that can be compared with those of others. Pure NumPy.

N notes, records of dtype `keras_perceiver_ar.codecs.notes.NOTE`, of which onsets and offsets are in
seconds.
"""

import numpy as np

from keras_perceiver_ar.codecs import performance_codec

PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
# Per cent of the times between onsets.
QUANTILES = (10, 25, 50, 75, 90)


def continuation(token_ids, given):
    """Notes that begin behind the first events of a performance.

    Args:
        token_ids: int (T,).
        given: int. The first so many events are left out, but for the velocity that they set.

    Returns:
        records (N,). They begin where the given events end; a note that sounds already is none.
    """
    before = token_ids[:given]
    set_before = before[before >= performance_codec.VELOCITY][-1:]
    return performance_codec.decode(np.concatenate([set_before, token_ids[given:]]))


def seconds(notes):
    """float. From the first onset to the last offset; NaN without notes."""
    if not len(notes):
        return np.nan
    return float(notes["offset"].max() - notes["onset"].min())


def notes_per_second(notes):
    """float > 0; NaN where nothing sounds."""
    return len(notes) / seconds(notes) if seconds(notes) > 0 else np.nan


def mean_velocity(notes):
    """float 1 … 127; NaN without notes."""
    return float(notes["velocity"].mean()) if len(notes) else np.nan


def polyphony(notes):
    """How many notes sound at once, on average over the time in which one does.

    Returns:
        float ≥ 1; NaN where nothing sounds.
    """
    onsets, offsets = np.sort(notes["onset"]), np.sort(notes["offset"])
    # Before the next onset all have ended that began: the k-th offset comes before onset k + 1.
    silence = np.maximum(onsets[1:] - offsets[:-1], 0).sum()
    sounding = seconds(notes) - silence
    return float((notes["offset"] - notes["onset"]).sum() / sounding) if sounding > 0 else np.nan


def onset_gaps(notes):
    """float (K,). Seconds between onsets that follow one another; a chord at once is one onset."""
    return np.diff(np.unique(notes["onset"]))


def pitch_class_counts(notes):
    """int64 (12,). Notes of each pitch class, C first."""
    return np.bincount(notes["pitch"] % len(PITCH_CLASSES), minlength=len(PITCH_CLASSES))


def histogram_distance(one, other):
    """Total variation of two histograms: the share of one that lies elsewhere in the other.

    Args:
        one, other: counts (K,).

    Returns:
        float 0 … 1; NaN where one of them is empty.
    """
    if not np.sum(one) or not np.sum(other):
        return np.nan
    return float(np.abs(one / np.sum(one) - other / np.sum(other)).sum() / 2)


def summary(notes):
    """All of them.

    Returns:
        dict of `notes` (int), `seconds`, `notes_per_second`, `velocity`, `polyphony`,
        `onset_gap_10` … `onset_gap_90` (quantiles) and `pitch_class_0` … `pitch_class_11` (shares),
        floats; NaN where there are too few notes.
    """
    gaps, classes = onset_gaps(notes), pitch_class_counts(notes)
    quantiles = np.percentile(gaps, QUANTILES) if len(gaps) else np.full(len(QUANTILES), np.nan)
    shares = classes / len(notes) if len(notes) else np.full(len(classes), np.nan)
    return {
        "notes": len(notes),
        "seconds": seconds(notes),
        "notes_per_second": notes_per_second(notes),
        "velocity": mean_velocity(notes),
        "polyphony": polyphony(notes),
        **{f"onset_gap_{q}": float(gap) for q, gap in zip(QUANTILES, quantiles, strict=True)},
        **{f"pitch_class_{number}": float(share) for number, share in enumerate(shares)},
    }
