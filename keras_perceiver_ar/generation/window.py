"""Which events of a row the model reads. B batch, T room for events, M context."""

from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.generation.arguments import read_size


class Window:
    """All events of a row, or the newest that fit the context.

    Without sliding it is the first M places, and rows end one token behind them. With sliding the
    oldest `slide` events leave a row that has M + 1 and is to go on. Those that stay are then what
    the row would be if it began with them: they are counted from position 1 again, as in training,
    unless positions were given, which stay with their events.

    Args:
        token_ids: int32 (B, T).
        positions: int32 (B, T) or (B, T, P), or None, which is 1, 2, 3, …
        max_context: int. M.
        slide: int or None.
    """

    def __init__(self, token_ids, positions, max_context, slide=None):
        room = token_ids.shape[1]
        # A row that fits has nothing to lose.
        self.slide = None if room is not None and room <= max_context + 1 else slide
        self._max_context = max_context
        self._positions = positions
        if self.slide is None:
            self.room = None if room is None else min(room, max_context)
        else:
            self.room = max_context

    def start(self, lengths):
        """The first event read: int32 (B,). A prompt may be longer than the context."""
        if self.slide is None:
            return ops.zeros_like(lengths)
        return ops.maximum(lengths - self._max_context, 0)

    def read(self, token_ids, start, lengths):
        """The events read of each row, their positions and their number.

        Args:
            token_ids: int32 (B, T).
            start: int32 (B,), the first event read.
            lengths: int32 (B,).

        Returns:
            int32 (B, S), int32 (B, S) or (B, S, P), and int32 (B,). S is M at most.
        """
        most = self._max_context
        if self.slide is None:
            token_ids = token_ids[:, :most]
            positions = None if self._positions is None else self._positions[:, :most]
            lengths = ops.minimum(lengths, most)
        else:
            last = ops.shape(token_ids)[1] - 1
            place = ops.expand_dims(start, -1) + ops.arange(most, dtype="int32")
            place = ops.minimum(place, last)
            token_ids = ops.take_along_axis(token_ids, place, axis=1)
            positions = self._positions
            if positions is not None:
                positions = masks.gather_at_steps(positions, place)
            lengths = ops.minimum(lengths - start, most)
        if positions is None:
            index = ops.arange(ops.shape(token_ids)[1], dtype="int32") + 1
            positions = ops.broadcast_to(index, ops.shape(token_ids))
        return token_ids, positions, lengths

    def overflows(self, start, lengths, done):
        """Rows whose newest event finds no place: bool (B,)."""
        return ops.logical_and(lengths - start > self._max_context, ops.logical_not(done))


def slide_size(slide, max_context, kept):
    """Events that leave at once.

    Args:
        slide: None, "half" or int.
        max_context: int. M.
        kept: int. Positions that hold latents after a slide; as many events have to stay.

    Returns:
        int or None.

    Raises:
        ValueError: neither None, "half" nor an integer from 1 to M + 1 − `kept`.
    """
    if slide is None:
        return None
    most = most_slide(max_context, kept)
    if slide == "half":
        return min(max(max_context // 2, 1), most)
    of = f"so that the {kept} positions of a refill stay"
    return read_size("slide", slide, 'None, "half"', most, of)


def most_slide(max_context, kept):
    """The most events that may leave at once; see `slide_size`."""
    return max_context + 1 - kept
