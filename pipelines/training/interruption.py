"""SIGTERM and SIGINT: save, then go."""

import os
import signal
import socket
import threading


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

    A second signal ends the process at once. Python runs signal handlers between two of its own
    instructions, so not while TensorFlow is at work; a thread is told of every signal in time.
    """

    def __init__(self):
        self._received = None
        self._anywhere = int

    def listen(self, anywhere=int):
        """From now on a signal waits. Before there is something to save, it should not have to.

        Args:
            anywhere: function of this worker's signal, 0 for none, that says which signal there is
                on any worker. All of them stop after the same step, whoever was told to.
        """
        self._anywhere = anywhere
        told, teller = socket.socketpair()
        teller.setblocking(False)
        signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
        self._teller = teller  # closed, it would tell nobody
        threading.Thread(target=self._wait, args=(told,), daemon=True).start()
        for number in NUMBERS:
            signal.signal(number, _do_nothing)

    def _wait(self, told):
        while number := told.recv(1):
            if number[0] in NUMBERS:
                self.receive(number[0])

    def receive(self, number):
        """Takes a signal up: the first one waits for its turn, a second one does not."""
        if self._received is not None:
            os._exit(128 + number)
        self._received = number
        name = signal.Signals(number).name
        line = f"{name}: stopping after this loop, or batch of an evaluation; again stops at once\n"
        os.write(2, line.encode())

    def __call__(self, _=None):
        """Raises `Interrupted` if a signal has come, to any worker."""
        if number := self._anywhere(self._received or 0):
            raise Interrupted(number)


NUMBERS = (signal.SIGTERM, signal.SIGINT)


def _do_nothing(*_):
    """In place of the default, which would end the process."""
