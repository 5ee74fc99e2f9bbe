"""What does not fit."""


class OutOfMemory(Exception):
    """The device had not enough memory; the message is the device's own."""
