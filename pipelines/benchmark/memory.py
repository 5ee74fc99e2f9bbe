"""How much memory it took, and what does not fit."""

import resource
import sys


class OutOfMemory(Exception):
    """The device had not enough memory; the message is the device's own."""


def process_peak():
    """Bytes that this process held at most, Python and libraries included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
