"""SIGTERM and SIGINT: save, then go."""

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
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number, _):
        self._received = number
        signal.signal(number, signal.SIG_DFL)
        print(f"{signal.Signals(number).name}: finishing this loop, then saving", flush=True)

    def __call__(self, _=None):
        """Raises `Interrupted` if a signal has come."""
        if self._received is not None:
            raise Interrupted(self._received)
