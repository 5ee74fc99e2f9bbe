import numpy as np
import pytest

from keras_perceiver_ar.fused import in_place
from tests.keras_perceiver_ar.support import BACKEND, jitted, to_numpy


@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)])
@pytest.mark.parametrize("start, count", [(0, 1), (2, 2), (3, 1), (0, 4)])
def test_entries_of_all_rows_are_written_at_the_same_places(trailing, start, count):
    random = np.random.default_rng(0)
    buffer = random.normal(size=(3, 4, *trailing)).astype("float32")
    values = random.normal(size=(3, count, *trailing)).astype("float32")
    written = to_numpy(jitted(in_place.write)(buffer, np.int32(start), values))
    wanted = buffer.copy()
    wanted[:, start : start + count] = values
    np.testing.assert_array_equal(written, wanted)


def test_what_others_hold_is_not_changed():
    buffer = np.zeros((1, 3), "float32")

    def write_twice(buffer):
        first = in_place.write(buffer, 1, np.ones((1, 1), "float32"))
        second = in_place.write(first, 2, np.ones((1, 1), "float32"))
        return buffer, first, second

    found = [to_numpy(x).tolist() for x in jitted(write_twice)(buffer)]
    assert found == [[[0, 0, 0]], [[0, 1, 0]], [[0, 1, 1]]]
    assert not buffer.any()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="what TensorFlow's graph is made of")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_batch_of_any_size_on_tensorflow(jit_compile):
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, 2), tf.float32)
    function = tf.function(in_place.write, jit_compile=jit_compile)
    for rows in (1, 3):
        buffer = tf.zeros((rows, 5, 2))
        written = function(buffer, tf.constant(4), tf.ones((rows, 1, 2))).numpy()
        assert written[:, 4].all() and not written[:, :4].any()
    traced = tf.function(in_place.write).get_concrete_function(
        spec, tf.TensorSpec((), tf.int32), spec
    )
    assert "TensorStridedSliceUpdate" in {op.type for op in traced.graph.get_operations()}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="what XLA knows of a loop of TensorFlow's")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_place_that_only_a_loop_knows_on_tensorflow(jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def count_up(buffer):
        def write(place, buffer):
            number = tf.fill((2, 1), tf.cast(place, tf.float32))
            return place + 1, in_place.write(buffer, place, number)

        return tf.while_loop(lambda place, _: place < 5, write, (0, buffer))[1]

    assert count_up(tf.zeros((2, 5))).numpy().tolist() == [[0, 1, 2, 3, 4]] * 2
