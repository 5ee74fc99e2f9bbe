"""How the stand-in for TensorFlow Serving says no."""


class Refusal(Exception):
    """A status that is an error.

    Args:
        code: str. Name of a gRPC status.
        message: str.
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message
