"""What a row holds already, for penalties and masks. B batch, T room for events, V vocabulary."""

from typing import NamedTuple

from keras import ops

from keras_perceiver_ar.generation import cache as cache_lib


class History(NamedTuple):
    """The events of each row so far.

    Attributes:
        token_ids: int32 (B, T).
        lengths: int32 (B,). Events of each row, which is the place of the next.
        last_places: int32 (B, V), or None where nothing asks for it. Where each token stood last
            in its row, −1 where it never did.
    """

    token_ids: object
    lengths: object
    last_places: object


def last_places(token_ids, lengths, vocab_size):
    """Where each token stands last.

    Args:
        token_ids: int32 (B, T).
        lengths: int32 (B,).
        vocab_size: int. V.

    Returns:
        int32 (B, V), −1 where a token stands nowhere.
    """
    batch, room = ops.shape(token_ids)
    place = ops.arange(room, dtype="int32")
    place = ops.where(place < ops.expand_dims(lengths, -1), place, -1)
    row = ops.expand_dims(ops.arange(batch, dtype="int32"), -1)
    segment = ops.reshape(row * vocab_size + token_ids, (-1,))
    found = ops.segment_max(ops.reshape(place, (-1,)), segment, batch * vocab_size)
    return ops.maximum(ops.reshape(found, (-1, vocab_size)), -1)


def add_event(places, token_ids, lengths, chosen):
    """`last_places` after one event more: of the rows chosen, bool (B,), at `lengths`."""
    return cache_lib.write_rows(places, token_ids, lengths, chosen)
