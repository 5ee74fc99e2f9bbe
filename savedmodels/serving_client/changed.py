"""What a text that comes in pieces may stumble over."""


class Changed(Exception):
    """The server draws other tokens than it did before."""
