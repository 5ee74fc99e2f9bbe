"""Every step is seen, and what ends a loop on the host ends it on the device."""

import os
import signal
import time

import pytest
import tensorflow as tf

from pipelines.command_line import Terminated
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


SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_a_signal_does_not_wait_for_the_last_token(number, kind):
    seen = []

    def see(lengths, drawn, began):
        seen.append(drawn[0])
        if drawn[0] == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(kind) as raised, StepWatch(see) as watch:
        loop(watch, 10**7)
    assert raised.type is kind
    assert 3 <= len(seen) < 10**6


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_a_signal_before_the_loop_acts_at_once(number, kind):
    with pytest.raises(kind), StepWatch():
        signal.raise_signal(number)
        pytest.fail("it waited")


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_a_signal_waits_until_what_is_written_is_whole(number, kind):
    done = []
    with pytest.raises(kind), StepWatch() as watch:
        with watch.held():
            signal.raise_signal(number)
            done.append("written")
        done.append("went on")
    assert done == ["written"]


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_a_second_signal_waits_for_nothing(number, kind):
    with pytest.raises(kind), StepWatch() as watch, watch.held():
        signal.raise_signal(number)
        signal.raise_signal(number)
        pytest.fail("it waited")


@pytest.mark.parametrize("number", [number for number, _ in SIGNALS])
def test_a_signal_that_is_ignored_stays_ignored(number):
    handler = signal.signal(number, signal.SIG_IGN)
    try:
        with StepWatch(lambda *step: signal.raise_signal(number)) as watch:
            assert loop(watch, 5).numpy().tolist() == [10]
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, handler)


def test_an_error_of_tensorflow_stays_what_it_is():
    with pytest.raises(tf.errors.InvalidArgumentError), StepWatch():
        tf.debugging.assert_equal(tf.constant(1), tf.constant(2))


def test_signals_are_handled_as_before_behind_it():
    handlers = [signal.getsignal(number) for number, _ in SIGNALS]
    before = signal.set_wakeup_fd(-1)
    with StepWatch():
        for (number, _), handler in zip(SIGNALS, handlers):
            assert signal.getsignal(number) != handler
    assert signal.set_wakeup_fd(before) == -1
    assert [signal.getsignal(number) for number, _ in SIGNALS] == handlers
