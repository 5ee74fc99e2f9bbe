"""Performances for the tests of everything that takes notes."""

import numpy as np
from hypothesis import strategies as st

from keras_perceiver_ar.codecs.notes import make_notes

_PITCHES = st.integers(0, 127)
_SECONDS = st.floats(0, 40)


def performance(*rows):
    """Notes from rows (onset, offset, pitch, velocity)."""
    columns = list(zip(*rows)) or [()] * 4
    return make_notes(*columns[:2], *(np.array(column, np.int64) for column in columns[2:]))


def performances(pitches=_PITCHES, seconds=_SECONDS, max_size=30):
    """Any notes: few pitches and short times make them overlap."""
    row = st.tuples(seconds, st.floats(0, 5), pitches, st.integers(1, 127))
    return st.lists(row, max_size=max_size).map(
        lambda rows: performance(*[(on, on + length, *rest) for on, length, *rest in rows])
    )
