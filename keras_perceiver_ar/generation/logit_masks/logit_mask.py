"""What a mask of the next token is."""

import abc


class LogitMask(abc.ABC):
    """Says which tokens may come next in a row.

    A mask is a pure function of what the row holds, made of `keras.ops`: it becomes part of the
    compiled program. Masks that are equal share one, so a mask is hashable; a frozen dataclass is.

    Attributes:
        needs_last_places: bool. Whether it reads `History.last_places`.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class NoRepeat(kpar.generation.LogitMask):
        ...     vocab_size: int
        ...     def __call__(self, history):
        ...         last = ops.take_along_axis(history.token_ids, history.lengths[:, None] - 1, 1)
        ...         return ops.not_equal(ops.arange(self.vocab_size), last)
        >>> model.generate(inputs, 20, masks=(NoRepeat(259),))
    """

    needs_last_places = False

    @abc.abstractmethod
    def __call__(self, history):
        """Tokens that may come next.

        Args:
            history: `History`. Each row holds at least one event.

        Returns:
            bool (B, V) or (1, V).
        """
