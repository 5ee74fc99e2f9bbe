import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_perceiver_ar.attention.tiles import Tiles
from tests.keras_perceiver_ar.support import to_numpy


@settings(max_examples=30, deadline=None)
@given(
    query_steps=st.lists(st.integers(-1, 20), min_size=12, max_size=12).map(sorted),
    key_steps=st.lists(st.integers(0, 30), min_size=12, max_size=12),
    in_order=st.booleans(),
    diagonal=st.booleans(),
)
def test_bounds_leave_out_nothing_and_call_free_what_is(query_steps, key_steps, in_order, diagonal):
    key_steps = sorted(key_steps) if in_order else key_steps
    queries, keys = 4, 3
    arrays = [np.array([steps], "int32") for steps in (query_steps, key_steps)]
    allowed = arrays[1][0][None, :] <= arrays[0][0][:, None]
    steps_alone = allowed.reshape(3, queries, 4, keys)
    if diagonal:
        allowed = allowed | np.eye(12, dtype=bool)
    tiles = allowed.reshape(3, queries, 4, keys)
    some, whole = tiles.any(axis=(1, 3)), steps_alone.all(axis=(1, 3))
    found = Tiles(*arrays, queries, keys, diagonal)
    of_queries = to_numpy(found.of_queries())[0]
    for tile, (free, end) in enumerate(of_queries):
        assert whole[tile, :free].all() and not some[tile, end:].any()
        assert free == 4 or not whole[tile, free]
        assert end == free or end == 0 or some[tile, end - 1]
    of_keys = to_numpy(found.of_keys())[0]
    for tile, (start, free) in enumerate(of_keys):
        assert not some[:start, tile].any() and whole[free:, tile].all()
        assert start <= free
