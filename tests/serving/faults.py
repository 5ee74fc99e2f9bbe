"""What goes wrong on purpose in the stand-in for TensorFlow Serving."""

import collections
import threading

from tests.serving.refusal import Refusal

DEADLINE = 60.0  # seconds that something held waits at most, so that no test hangs


class Reset(Exception):
    """The connection is cut instead of an answer."""


class Faults:
    """Decides about each request for a prediction, in the order in which they come.

    Attributes:
        answers: dict of a signature to the arrays it answers with, whatever it is asked.
    """

    def __init__(self):
        self.answers = {}
        self._lock = threading.Lock()
        self._planned = collections.deque()
        self._count = 0
        self._came, self._released = threading.Event(), threading.Event()
        self._to_hold = 0

    def fail(self, code, times=1, message="injected"):
        """The next requests are refused with a code of gRPC; "RESET" cuts their connections."""
        with self._lock:
            self._planned.extend([(code, message)] * times)

    def hold(self, times):
        """The next requests wait until `release`."""
        self._came.clear(), self._released.clear()
        self._to_hold = times

    def wait_for_one(self):
        """Waits until a request is held."""
        assert self._came.wait(DEADLINE)

    def release(self):
        """What waits goes on, and nothing waits any more."""
        self._to_hold = 0
        self._released.set()

    def take_count(self):
        """Requests that came since the last call of this."""
        with self._lock:
            count, self._count = self._count, 0
        return count

    def clear(self):
        """No faults any more."""
        with self._lock:
            self._planned.clear()
            self._count = 0
        self.answers = {}
        self.release()

    def meet(self):
        """Called for each request before anything else."""
        with self._lock:
            self._count += 1
            planned = self._planned.popleft() if self._planned else None
            is_held = self._to_hold > 0
            self._to_hold -= is_held
        if is_held:
            self._came.set()
            self._released.wait(DEADLINE)
        if planned is None:
            return
        if planned[0] == "RESET":
            raise Reset
        raise Refusal(*planned)
