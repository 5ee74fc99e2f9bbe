"""Every step is seen, and what ends a loop on the host ends it on the device."""

import os
import signal
import time

import pytest
import tensorflow as tf

from pipelines.generation.step_watch import StepWatch


def loop(watch, steps=1000):
    """As a decode loop has it: one step before the loop, the others within."""

    @tf.function
    def run():
        def step(number, lengths):
            return number + 1, watch.on_step(lengths + 1, number[None])

        first = step(tf.constant(1), tf.constant([5]))
        return tf.while_loop(lambda number, _: number <= steps, step, first)[1]

    return run()


def test_every_step_is_seen_in_order():
    seen, before = [], time.time()
    with StepWatch(lambda *step: seen.append(step)) as watch:
        assert loop(watch, 5).numpy().tolist() == [10]
    assert [lengths.tolist() for lengths, _, _ in seen] == [[6], [7], [8], [9], [10]]
    assert [drawn.tolist() for _, drawn, _ in seen] == [[1], [2], [3], [4], [5]]
    assert before <= seen[0][2] <= time.time()


def test_what_a_watcher_raises_ends_the_loop_as_itself():
    seen = []

    def see(lengths, drawn, began):
        seen.append(drawn[0])
        if drawn[0] == 3:
            raise BrokenPipeError("gone")

    with pytest.raises(BrokenPipeError, match="gone"), StepWatch(see) as watch:
        loop(watch)
    assert seen == [1, 2, 3]


def test_ctrl_c_does_not_wait_for_the_last_token():
    seen = []

    def see(lengths, drawn, began):
        seen.append(drawn[0])
        if drawn[0] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), StepWatch(see) as watch:
        loop(watch, 10**7)
    assert 3 <= len(seen) < 10**6


def test_ctrl_c_before_the_loop_acts_at_once():
    with pytest.raises(KeyboardInterrupt), StepWatch():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it waited")


def test_ctrl_c_that_is_ignored_stays_ignored():
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StepWatch(lambda *step: signal.raise_signal(signal.SIGINT)) as watch:
            assert loop(watch, 5).numpy().tolist() == [10]
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, handler)


def test_an_error_of_tensorflow_stays_what_it_is():
    with pytest.raises(tf.errors.InvalidArgumentError), StepWatch():
        tf.debugging.assert_equal(tf.constant(1), tf.constant(2))


def test_signals_are_handled_as_before_behind_it():
    handler, before = signal.getsignal(signal.SIGINT), signal.set_wakeup_fd(-1)
    with StepWatch():
        assert signal.getsignal(signal.SIGINT) != handler
    assert signal.set_wakeup_fd(before) == -1
    assert signal.getsignal(signal.SIGINT) == handler
