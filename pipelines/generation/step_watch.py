"""Functions on the host that see every step of a decode loop, and what ends the loop early."""

import contextlib
import signal
import socket

import tensorflow as tf

from pipelines.command_line import Terminated

# What each signal raises.
_ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


class StepWatch:
    """Shows functions every step of `PerceiverARCausalLM.generate`; a context manager around it.

    Python runs signal handlers between two of its own instructions, so not while TensorFlow is at
    work: Ctrl-C would wait for the last token. It is looked for at every step instead, and so is
    SIGTERM, which raises `Terminated`. What a function raises, a pipe that nobody reads any more
    for instance, ends the loop too, and leaves it as itself.

    Args:
        watchers: functions of int32 (B,), the lengths so far; int32 (B,), the tokens just drawn, 0
            in rows that have ended; and float, when the loop began, in seconds of `time.time`.
    """

    def __init__(self, *watchers):
        self._watchers = watchers
        self._error = None
        self._is_held = self._is_waiting = False

    def on_step(self, lengths, drawn):
        """For `generate`, in its graph: returns the lengths."""
        # Nothing comes before it in the graph: at the first step it says when all of it began.
        began = tf.timestamp()
        told = tf.numpy_function(self._tell, [lengths, drawn, began], [])
        with tf.control_dependencies([told]):
            return tf.identity(lengths)

    def _tell(self, *step):
        try:
            for number in self._signals():
                self._end(number)
            for watcher in self._watchers:
                watcher(*step)
        except BaseException as error:
            self._error = error
            raise

    def _signals(self):
        try:
            return self._told.recv(64)
        except BlockingIOError:
            return b""

    def __enter__(self):
        self._told, self._teller = socket.socketpair()
        for end in (self._told, self._teller):
            end.setblocking(False)
        self._before = signal.set_wakeup_fd(self._teller.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.getsignal(number) for number in _ENDS}
        for number, handler in self._handlers.items():
            if handler != signal.SIG_IGN:  # as it is in the background of a shell script
                signal.signal(number, self._interrupt)
        return self

    @contextlib.contextmanager
    def held(self):
        """Within it, between two loops, the first signal waits: what is written becomes whole."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        for number in self._signals():
            self._end(number)

    def _end(self, number):
        if number in _ENDS:
            raise _ENDS[number]

    def _interrupt(self, number, _):
        """Outside of the loop a signal acts at once; within it, it has been taken up by a step.

        Then it must not come a second time: TensorFlow is turning the first into an error of its
        own, and would fail at that.
        """
        if self._is_held and not self._is_waiting:
            self._is_waiting = True
        elif self._error is None:
            self._end(number)

    def __exit__(self, kind, error, trace):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before)
        self._told.close()
        self._teller.close()
        if isinstance(error, tf.errors.OpError) and self._error is not None:
            raise self._error from None
