"""What a decode loop keeps between two tokens."""

from typing import NamedTuple

from keras import ops


class DecodeCache(NamedTuple):
    """Keys and values of one batch of rows.

    B batch, T room for events, N latents, H heads, D head width.

    Attributes:
        cross: pair (B, T, H, D). Keys and values of the cross-attention, for every event. They
            depend on the event and its position alone, so nothing ever recomputes them.
        latents: tuple of L pairs (B, N, H, D). Keys and values of the latent blocks, slots filled
            from the left.
        filled: int32 (B,). Latents held.
    """

    cross: tuple
    latents: tuple
    filled: object


def write_rows(buffer, index, values):
    """Writes one entry of each row.

    Args:
        buffer: (B, S, …).
        index: int32 (B,).
        values: (B, …).

    Returns:
        The buffer with `buffer[b, index[b]] = values[b]`.
    """
    rows = ops.arange(ops.shape(buffer)[0], dtype="int32")
    return ops.scatter_update(buffer, ops.stack([rows, index], axis=-1), values)


def select_rows(chosen, first, second):
    """`first` where the row is chosen, `second` elsewhere: chosen bool (B,), others (B, …)."""
    shape = (-1, *[1] * (len(first.shape) - 1))
    return ops.where(ops.reshape(chosen, shape), first, second)
