"""What a person sees of a generation that takes long, and nothing of one that does not."""

import numpy as np
import tensorflow as tf

from pipelines.generation_progress import GenerationProgress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def draw(seconds_a_token, total=41):
    """Lets a progress see so many tokens of a row with a prompt of 3."""
    clock = Clock()
    progress = GenerationProgress(3, total, clock=clock)
    on_step = tf.function(progress.on_step)
    for drawn in range(1, total + 1):
        assert on_step(tf.constant([3 + drawn]), tf.constant([9])).numpy().tolist() == [3 + drawn]
        clock.now += seconds_a_token
    progress.end()


def test_a_line_every_five_seconds_and_one_at_the_end(capfd):
    draw(0.5)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "drew 11 of 41 tokens, 2.0 tokens/s, 0:00:15 left"
    assert [line.split()[1] for line in lines] == ["11", "21", "31", "41", "41"]
    assert lines[-1] == "drew 41 tokens in 0:00:20, 2.0 tokens/s"


def test_nothing_of_what_is_quick(capfd):
    draw(0.1)
    assert capfd.readouterr().err == ""


def test_it_hands_the_lengths_on_in_a_graph():
    function = tf.function(GenerationProgress(1, 9).on_step).get_concrete_function(
        tf.TensorSpec((1,), tf.int32), tf.TensorSpec((1,), tf.int32)
    )
    assert function.output_shapes == (1,) and function.output_dtypes == tf.int32
    np.testing.assert_array_equal(function(tf.constant([4]), tf.constant([9])), [4])
