import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.generation import history
from tests.keras_perceiver_ar.support import jitted, to_numpy

VOCAB, ROOM = 6, 7
found_by = jitted(lambda ids, lengths: history.last_places(ids, lengths, VOCAB))


def plain(ids, lengths):
    places = np.full((len(ids), VOCAB), -1)
    for row, length in enumerate(lengths):
        for place in range(length):
            places[row, ids[row, place]] = place
    return places


@given(st.integers(0, 10**6))
def test_last_places_event_by_event(seed):
    random = np.random.default_rng(seed)
    ids = random.integers(0, VOCAB, (3, ROOM)).astype("int32")
    lengths = random.integers(0, ROOM, 3).astype("int32")
    places = to_numpy(found_by(ids, lengths))
    np.testing.assert_array_equal(places, plain(ids, lengths))
    # One event more in rows 0 and 2 is what reading them again finds.
    chosen = np.array([True, False, True])
    drawn = ids[np.arange(3), lengths]
    grown = to_numpy(history.add_event(places, drawn, lengths, chosen))
    np.testing.assert_array_equal(grown, plain(ids, lengths + chosen))
