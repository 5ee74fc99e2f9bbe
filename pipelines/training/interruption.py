"""SIGTERM and SIGINT: save, then go."""

import os
import signal


class Interrupted(Exception):
    """The run was asked to stop.

    Args:
        signal_number: int.
    """

    def __init__(self, signal_number):
        super().__init__(signal.Signals(signal_number).name)
        self.exit_status = 128 + signal_number  # the shell's convention


class Interruption:
    """Remembers SIGTERM and SIGINT until the loop on the device is done. An `orbit.Action`.

    A second signal acts at once, as if there were no handler.
    """

    def __init__(self):
        self._received = None

    def listen(self):
        """From now on a signal waits. Before there is something to save, it should not have to."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number, _):
        self._received = number
        signal.signal(number, signal.SIG_DFL)
        name = signal.Signals(number).name
        line = f"{name}: stopping after this loop, or batch of an evaluation; again stops at once\n"
        os.write(2, line.encode())  # a print within a print, which a signal may be, is an error

    def __call__(self, _=None):
        """Raises `Interrupted` if a signal has come."""
        if self._received is not None:
            raise Interrupted(self._received)
