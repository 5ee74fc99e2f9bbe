"""What a decode loop keeps between two tokens.

A buffer of S places is a ring that all rows write at the same place, one after the other, so that
a step is one write into one slice. What a row holds is the run of places that ends with the newest:
the *age* of a place is 0 for the newest, 1 for the one before it, and so on, round the ring.
"""

from typing import NamedTuple

from keras import ops


class DecodeCache(NamedTuple):
    """Keys and values of one batch of rows.

    B batch, T room for events, N latents, H heads, D head width.

    Attributes:
        cross: tuple of pairs (B, T, H, D), one for each cross-attend. Keys and values of every
            event. They depend on the event and its position alone, so nothing recomputes them.
        latents: tuple of L pairs (B, N, H, D). Keys and values of the latent blocks.
        filled: int32 (B,). Positions that hold latents.
        written: int32 scalar. Entries written since the prompts were read, which left the newest
            of each row at the last place: the next one goes to place `written` modulo S.
    """

    cross: tuple
    latents: tuple
    filled: object
    written: object


def ages(place, size):
    """The age of each place of a ring: int32 (S,).

    Args:
        place: int32 scalar, where the newest entry is. Taken modulo S.
        size: int or int32 scalar. S.
    """
    return ops.mod(place - ops.arange(size, dtype="int32"), size)


def turn(entries, place, size):
    """Lays a run out so that it ends at a place of a ring.

    Args:
        entries: (B, n, …), n ≤ S, the newest last.
        place: int32 scalar. Taken modulo S.
        size: int. S.

    Returns:
        (B, S, …), zeros where there is nothing.
    """
    missing = size - entries.shape[1]
    if missing:
        rest = [[0, 0]] * (len(entries.shape) - 2)
        entries = ops.pad(entries, [[0, 0], [missing, 0], *rest])
    return ops.take(entries, size - 1 - ages(place, size), axis=1)


def write_rows(buffer, index, values, chosen=None):
    """Writes one entry of each row.

    Args:
        buffer: (B, S, …).
        index: int32 (B,).
        values: (B, …).
        chosen: bool (B,) or None. Rows to write; the others stay as they are. With it the buffer is
            (B, S).

    Returns:
        The buffer with `buffer[b, index[b]] = values[b]`.
    """
    if chosen is not None:
        old = ops.take_along_axis(buffer, ops.expand_dims(index, -1), axis=1)[:, 0]
        values = ops.where(chosen, values, old)
    rows = ops.arange(ops.shape(buffer)[0], dtype="int32")
    return ops.scatter_update(buffer, ops.stack([rows, index], axis=-1), values)


def select_rows(chosen, first, second):
    """`first` where the row is chosen, `second` elsewhere: chosen bool (B,), others (B, …)."""
    shape = (-1, *[1] * (len(first.shape) - 1))
    return ops.where(ops.reshape(chosen, shape), first, second)
