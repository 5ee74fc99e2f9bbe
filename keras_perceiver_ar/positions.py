"""Positions of the inputs, and what is made of them: tables to add, and rotations of channels.

Pure functions of arrays. B batch, M inputs, S any sequence, P index dimensions, H heads, D head
width.
"""

import numpy as np
from keras import ops

TABLES = ("sinusoidal", "fourier", "linear")

# A frozen table of sines is never stored whole: sin(a + b) puts row `p` together from row
# `p // _FINE` of a coarse table and row `p % _FINE` of a fine one, both computed in float64. That
# is right to float32 rounding at any length (the sine of a float32 angle of 1e5 radians is not),
# and 131,073 rows of width 1024 take 3 MiB of constants instead of 512.
_FINE = 256


def positions_from_start(lengths, num_inputs):
    """Positions 1 … length of each row, 0 on padding.

    Args:
        lengths: int32 (B,).
        num_inputs: int. M.

    Returns:
        int32 (B, M).
    """
    index = ops.arange(num_inputs, dtype="int32")
    return ops.where(index < ops.expand_dims(lengths, 1), index + 1, 0)


def positions_from_end(lengths, num_inputs):
    """Distance to the last valid input: 0 there, 1, 2, … before it.

    Padding continues from M − 1 downwards, as in the original (`use_positions_from_data=False`).

    Args:
        lengths: int32 (B,).
        num_inputs: int. M.

    Returns:
        int32 (B, M).
    """
    index = ops.arange(num_inputs, dtype="int32")
    return ops.mod(ops.expand_dims(lengths, 1) - 1 - index, num_inputs)


def with_targets(positions):
    """Where each event is and, beside it, where the next one goes, which is what it predicts.

    A latent sees where its own input was. In an order that jumps it has to learn by heart where the
    next value goes, unless it is told (as the target positions of XLNet, arXiv 1906.08237, section
    2.3, and the double positions of σ-GPT, arXiv 2404.09562).

    Args:
        positions: int (E, P), those of every event of a document.

    Returns:
        int32 (E, 2 · P). Nothing comes behind the last event: its target is at 0.
    """
    positions = np.asarray(positions, np.int32)
    target = np.concatenate([positions[1:], np.zeros_like(positions[:1])])
    return np.concatenate([positions, target], axis=1)


def _angles(kind, num_rows, width):
    """Angle of row 0 and its growth from row to row: float64 (width // 2,) each."""
    bands = width // 2
    if kind == "sinusoidal":
        # Frequencies 1 … 1e-4 in equal ratios.
        return np.zeros(bands), np.exp(np.arange(bands) * -(np.log(1e4) / max(bands - 1, 1)))
    # Fourier: positions −1 … 1, frequencies 1 … rows / 2 in equal steps, times π.
    frequencies = np.pi * np.linspace(1.0, num_rows / 2, bands)
    return -frequencies, frequencies * 2.0 / max(num_rows - 1, 1)


def table_rows(kind, positions, num_rows, width):
    """Rows of one of the original's frozen position tables.

    Args:
        kind: one of `TABLES`.
        positions: int32 (…). Clipped to 0 … num_rows − 1.
        num_rows: int. Rows of the table; the longest context + 1 for sequences.
        width: int. C. The first half holds sines, the second cosines, an odd last column is 0; all
            columns of a linear table are the position itself.

    Returns:
        float32 (…, C).
    """
    positions = ops.clip(positions, 0, num_rows - 1)
    if kind == "linear":
        column = ops.expand_dims(ops.cast(positions, "float32"), -1)
        return ops.broadcast_to(column, (*ops.shape(positions), width))
    start, step = _angles(kind, num_rows, width)
    fine = np.arange(_FINE)[:, None] * step
    coarse = start + np.arange(0, num_rows, _FINE)[:, None] * step

    def look_up(function, angles, index):
        return ops.take(ops.convert_to_tensor(function(angles), "float32"), index, axis=0)

    low, high = ops.mod(positions, _FINE), ops.floor_divide(positions, _FINE)
    sin_low, cos_low = look_up(np.sin, fine, low), look_up(np.cos, fine, low)
    sin_high, cos_high = look_up(np.sin, coarse, high), look_up(np.cos, coarse, high)
    halves = [sin_high * cos_low + cos_high * sin_low, cos_high * cos_low - sin_high * sin_low]
    if width % 2:
        halves.append(ops.zeros_like(halves[0][..., :1]))
    return ops.concatenate(halves, axis=-1)


def table(kind, num_rows, width):
    """The whole table at once, to start a trainable one from: float32 NumPy (num_rows, C)."""
    index = np.arange(num_rows)[:, None]
    if kind == "linear":
        return np.broadcast_to(index, (num_rows, width)).astype("float32")
    start, step = _angles(kind, num_rows, width)
    angles = start + index * step
    parts = [np.sin(angles), np.cos(angles), np.zeros((num_rows, width % 2))]
    return np.concatenate(parts, axis=-1).astype("float32")


def turn_to_keys(coefficients, rows):
    """Writes a mixture of waves of a distance as one of waves of a place.

    Σ c · R(i − j) = Σ turned · R(j) for sinusoids R, by the addition theorem: what is asked of the
    distance between query and key becomes one inner product with a row of the key alone.

    Args:
        coefficients: (…, r), of the sines, then of the cosines of a distance.
        rows: float32, to broadcast against them: `table_rows` of the query's place i, r even.

    Returns:
        float32 (…, r), the coefficients of `table_rows` of the key's place j.
    """
    of_sin, of_cos = ops.split(ops.cast(coefficients, "float32"), 2, axis=-1)
    sin, cos = ops.split(rows, 2, axis=-1)
    return ops.concatenate([of_cos * sin - of_sin * cos, of_sin * sin + of_cos * cos], axis=-1)


def rotary_frequencies(num_rotated, max_wavelength):
    """Angles per unit of position, one for each pair of rotated channels.

    The ladder of wavelengths runs from 1 to `max_wavelength` with the end point INCLUDED, as in the
    original (most other codes leave it out); a single pair has wavelength 1.

    Args:
        num_rotated: int. Rotated channels, even.
        max_wavelength: number. The longest wavelength.

    Returns:
        float32 NumPy (num_rotated // 2,).
    """
    bands = num_rotated // 2
    if bands == 0:
        return np.zeros((0,), "float32")
    exponents = (2.0 / num_rotated) * np.linspace(0, bands, bands)
    return (float(max_wavelength) ** -exponents).astype("float32")


def rotate_channels(x, positions, frequencies, num_heads=None):
    """Rotates neighbouring channels of the first heads by an angle that follows the position.

    Args:
        x: (B, S, H, D).
        positions: int or float (B, S), or (B, S, P) for P index dimensions: each turns its own
            share of the channels.
        frequencies: float32 (F,). The first 2 · F · P channels are rotated, F pairs a dimension.
        num_heads: int or None. Heads that are rotated, the first ones; None is all.

    Returns:
        (B, S, H, D), dtype of `x`; angles and products are float32 whatever that is.
    """
    if len(positions.shape) == 2:
        positions = ops.expand_dims(positions, -1)
    num_dimensions = positions.shape[-1]
    width, heads = 2 * len(frequencies) * num_dimensions, x.shape[2]
    if num_heads == 0 or width == 0:
        return x
    positions = ops.cast(positions, "float32")
    frequencies = ops.convert_to_tensor(np.repeat(frequencies, 2))
    angles = [positions[..., axis, None] * frequencies for axis in range(num_dimensions)]
    if width < x.shape[3]:  # channels that are not rotated, by an angle of 0
        angles.append(ops.zeros((*ops.shape(positions)[:2], x.shape[3] - width), "float32"))
    angles = ops.expand_dims(angles[0] if len(angles) == 1 else ops.concatenate(angles, -1), 2)
    # (a, b) → (a cos − b sin, b cos + a sin), as a product of the whole and of its swapped pairs:
    # the gradient is another such product, where that of slices pads and adds.
    signs = np.tile(np.array([-1, 1], "float32"), width // 2)
    signs = np.concatenate([signs, np.zeros(x.shape[3] - width, "float32")])
    x32 = ops.cast(x, "float32")
    rotated = x32 * ops.cos(angles) + _swap_pairs(x32) * (ops.sin(angles) * signs)
    rotated = ops.cast(rotated, x.dtype)
    if num_heads is None or num_heads >= heads:
        return rotated
    return ops.where((np.arange(heads) < num_heads)[:, None], rotated, x)


def _swap_pairs(x):
    """(…, D) → (…, D), channels 2j and 2j + 1 exchanged; an odd last one stays."""
    width = x.shape[-1] // 2 * 2
    pairs = ops.reshape(x[..., :width], (*ops.shape(x)[:-1], width // 2, 2))
    swapped = ops.reshape(ops.flip(pairs, axis=-1), (*ops.shape(x)[:-1], width))
    if width == x.shape[-1]:
        return swapped
    return ops.concatenate([swapped, x[..., width:]], axis=-1)
