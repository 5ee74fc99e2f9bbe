"""The likeliest continuations that a search of some width finds, as a user asks for them."""

import dataclasses

from keras_perceiver_ar.checks import check_sizes


@dataclasses.dataclass(frozen=True)
class BeamSearch:
    """Keeps the likeliest continuations of each row, step by step, and returns the best.

    One that has ended competes with those that go on. Each step reorders all caches of a row, so a
    token costs more than of as many rows that are drawn.

    Args:
        width: int. K, continuations that are kept of each row.
        length_penalty: float. Continuations are ranked by their log-probability over this power of
            their number of tokens: 0 ranks by the sum, which favours short ones, 1 by the mean.

    Raises:
        ValueError: a width that is none, or a penalty that is no number.
    """

    width: int = 4
    length_penalty: float = 0.0

    def __post_init__(self):
        check_sizes(width=self.width)
        if not isinstance(self.length_penalty, (int, float)) or not abs(self.length_penalty) < 100:
            raise ValueError(
                "`length_penalty` must be a number between −100 and 100. Received: "
                f"length_penalty={self.length_penalty!r}"
            )
