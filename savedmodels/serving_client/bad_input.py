"""What a caller handed over and no server has to be asked about."""


class BadInput(ValueError):
    """An input of the wrong type or shape.

    Args:
        field: str. Name of the input.
        message: str, which begins with that name.
    """

    def __init__(self, field, message):
        super().__init__(message)
        self.field = field
