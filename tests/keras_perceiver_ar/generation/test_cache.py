import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation import cache
from tests.keras_perceiver_ar.support import jitted, to_numpy


@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)])
@pytest.mark.parametrize("compile_it", [False, True])
def test_one_entry_of_each_row_is_written(trailing, compile_it):
    buffer = np.zeros((3, 4, *trailing), "float32")
    index, values = np.array([2, 0, 3], "int32"), np.arange(1, 4, dtype="float32")
    values = np.broadcast_to(values.reshape(3, *[1] * len(trailing)), (3, *trailing)).copy()
    write = jitted(cache.write_rows) if compile_it else cache.write_rows
    written = to_numpy(write(buffer, index, values)).reshape(3, 4, -1)[..., 0]
    assert written.tolist() == [[0, 0, 1, 0], [2, 0, 0, 0], [0, 0, 0, 3]]


def test_rows_are_selected_whole():
    first, second = np.ones((3, 2, 2)), np.zeros((3, 2, 2))
    chosen = to_numpy(cache.select_rows(np.array([True, False, True]), first, second))
    assert chosen.tolist() == [[[1, 1]] * 2, [[0, 0]] * 2, [[1, 1]] * 2]
    flat = cache.select_rows(np.array([True, False]), np.array([1, 2]), np.array([3, 4]))
    assert to_numpy(flat).tolist() == [1, 4]


def test_ages_run_backwards_round_the_ring():
    assert to_numpy(cache.ages(2, 5)).tolist() == [2, 1, 0, 4, 3]
    assert to_numpy(cache.ages(7, 5)).tolist() == [2, 1, 0, 4, 3]
    assert to_numpy(cache.ages(-1, 3)).tolist() == [2, 1, 0]


@pytest.mark.parametrize("place, wanted", [(-1, [0, 0, 7, 8, 9]), (1, [8, 9, 0, 0, 7])])
def test_a_run_ends_at_its_place(place, wanted):
    entries = np.array([[7, 8, 9]], "float32")
    for compile_it in (False, True):
        turn = jitted(lambda x, y: cache.turn(x, y, 5)) if compile_it else None
        found = turn(entries, np.int32(place)) if turn else cache.turn(entries, place, 5)
        assert to_numpy(found).tolist() == [wanted]
    two = np.stack([entries, -entries], axis=-1)
    assert to_numpy(cache.turn(two, place, 5))[..., 1].tolist() == [[-x for x in wanted]]


def test_the_cache_is_a_structure_of_arrays():
    held = kpar.generation.DecodeCache(cross=(1, 2), latents=((3, 4),), filled=5, written=6)
    assert held._fields == ("cross", "latents", "filled", "written")
