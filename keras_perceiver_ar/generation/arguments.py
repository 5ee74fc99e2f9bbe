"""What a user hands to `generate`, read into NumPy arrays or refused by name."""

import collections.abc
import operator

import numpy as np

from keras_perceiver_ar.checks import check_ids
from keras_perceiver_ar.generation.logit_masks import LogitMask


def read_integer(name, value, least=1):
    """An integer as a Python one.

    Raises:
        ValueError: not an integer, or too small.
    """
    number = _integer(value)
    if number is None or number < least:
        raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {value!r}")
    return number


def read_size(name, size, word, most, of):
    """A number of positions or events, as a Python integer.

    Args:
        name: str.
        size: what was given, other than a word.
        word: str. The words that there are instead.
        most: int.
        of: str. What the largest is counted by.

    Raises:
        ValueError: not an integer from 1 to `most`.
    """
    number = _integer(size)
    if number is None or not 1 <= number <= most:
        raise ValueError(
            f"`{name}` must be {word} or an integer from 1 to {most}, {of}. "
            f"Received: {name}={size!r}"
        )
    return number


def _integer(value):
    """A Python integer, of NumPy's as well; None of anything else, True and False too."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def read_stop_ids(stop_ids, vocab_size):
    """Stop ids, one or several, as a tuple of Python integers.

    Raises:
        ValueError: an id that cannot end a row. Id 0 cannot: it is padding.
    """
    listed = np.atleast_1d(np.asarray(list(stop_ids) if np.iterable(stop_ids) else stop_ids))
    is_integer = listed.size == 0 or np.issubdtype(listed.dtype, np.integer)
    if listed.ndim > 1 or not is_integer or np.any((listed < 1) | (listed >= vocab_size)):
        raise ValueError(
            f"`stop_ids` must be integers from 1 to {vocab_size - 1}. Received: {stop_ids!r}"
        )
    return tuple(map(int, listed))


def read_prompts(inputs, vocab_size):
    """Prompts and their lengths.

    Args:
        inputs: dict of `token_ids` (B, M), or a list of rows as long as they are, and, optionally,
            `lengths` (B,).
        vocab_size: int.

    Returns:
        int32 (B, M) and int32 (B,).

    Raises:
        ValueError: shapes or types that are none, an id outside the vocabulary.
    """
    if inputs.get("token_ids") is None:
        raise ValueError(f"`inputs` must hold `token_ids`. Received: {sorted(inputs)}")
    prompts = _rectangle(inputs["token_ids"])
    is_integer = not prompts.size or np.issubdtype(prompts.dtype, np.integer)
    if prompts.ndim != 2 or not len(prompts) or not is_integer:
        raise ValueError(
            "`token_ids` must be integers of shape (B, M) with B ≥ 1. Received: "
            f"shape {prompts.shape}, dtype {prompts.dtype}"
        )
    width = prompts.shape[1]
    if inputs.get("lengths") is None:
        padding = prompts == 0
        lengths = np.where(padding.any(1), padding.argmax(1) if width else 0, width)
    else:
        lengths = np.asarray(inputs["lengths"])
    is_integer = np.issubdtype(lengths.dtype, np.integer)
    in_range = is_integer and ((lengths >= 0) & (lengths <= width)).all()
    if lengths.shape != prompts.shape[:1] or not in_range:
        raise ValueError(
            f"`lengths` must hold an integer from 0 to {width} for each row. Received: {lengths}"
        )
    valid = prompts[np.arange(width) < lengths[:, None]]
    check_ids(valid, vocab_size)
    return prompts.astype("int32"), lengths.astype("int32")


def _rectangle(rows):
    """Rows as an array, with zeros behind those of a list that are shorter than others."""
    if hasattr(rows, "to_list"):  # a ragged tensor of TensorFlow's
        rows = rows.to_list()
    if isinstance(rows, (list, tuple)) and all(map(np.iterable, rows)):
        widths = set(map(len, rows))
        if len(widths) > 1:  # not otherwise: arrays would be taken apart, number by number
            rows = [[*row, *(0,) * (max(widths) - len(row))] for row in rows]
    try:
        return np.asarray(rows)
    except ValueError:  # of rows that are none
        return np.asarray(rows, object)


def read_positions(positions, batch, dimensions, longest, room):
    """Positions padded to the room of a program.

    Args:
        positions: integers (B, S) or (B, S, P), of 32 bits.
        batch: int. B.
        dimensions: int. P of the model.
        longest: int. Events of the longest row, what is generated included but for the last one,
            which nothing reads.
        room: int.

    Returns:
        int32 (B, room) or (B, room, P).

    Raises:
        ValueError: another shape, no integers, or they do not cover `longest` events.
    """
    positions = np.asarray(positions)
    shape = positions.shape
    trailing = ((), (1,)) if dimensions == 1 else ((dimensions,),)
    is_integer = np.issubdtype(positions.dtype, np.integer)
    if len(shape) < 2 or shape[0] != batch or shape[2:] not in trailing or not is_integer:
        kind = "(B, S)" if dimensions == 1 else f"(B, S, {dimensions})"
        raise ValueError(
            f"`positions` must be integers of shape {kind}, a row for each of the {batch} prompts. "
            f"Received: shape {shape}, dtype {positions.dtype}"
        )
    if shape[1] < longest:
        raise ValueError(
            f"`positions` must cover the prompt and all but the last token that is generated, "
            f"{longest} events. "
            f"Received: shape {shape}"
        )
    limits = np.iinfo("int32")
    wrong = positions[(positions < limits.min) | (positions > limits.max)]
    if wrong.size:
        raise ValueError(f"`positions` must fit in 32 bits. Received: {wrong[0]}")
    return _fit(positions.astype("int32"), room)


def read_forced(forced, batch, room, vocab_size):
    """Prescribed ids padded to the room of a program.

    Args:
        forced: integers (B, S), 0 where the model draws.
        batch: int. B.
        room: int.
        vocab_size: int.

    Returns:
        int32 (B, room). What lies behind the room is cut off: no row gets there.

    Raises:
        ValueError: another shape, no integers, or an id outside the vocabulary.
    """
    forced = np.asarray(forced)
    is_integer = np.issubdtype(forced.dtype, np.integer)
    if forced.ndim != 2 or len(forced) != batch or not is_integer:
        raise ValueError(
            f"`forced` must be integers of shape (B, S), a row for each of the {batch} prompts. "
            f"Received: shape {forced.shape}, dtype {forced.dtype}"
        )
    wrong = forced[(forced < 0) | (forced >= vocab_size)]
    if wrong.size:
        raise ValueError(f"`forced` must lie in 0 … {vocab_size - 1}. Received: {wrong[0]}")
    return _fit(forced.astype("int32"), room)


def _fit(rows, room):
    """Rows (B, S, …) with zeros behind them, or cut off: (B, room, …)."""
    padding = [(0, 0), (0, max(room - rows.shape[1], 0))] + [(0, 0)] * (rows.ndim - 2)
    return np.pad(rows, padding)[:, :room]


def read_masks(masks):
    """Masks, one or several, as a tuple.

    Raises:
        ValueError: something else, or a mask that cannot be told from another.
    """
    masks = tuple(masks) if np.iterable(masks) else (masks,)
    for mask in masks:
        # Programs are kept by it.
        if not isinstance(mask, LogitMask) or not isinstance(mask, collections.abc.Hashable):
            raise ValueError(
                "`masks` must hold LogitMasks that can be hashed, as frozen dataclasses can. "
                f"Received: {mask!r}"
            )
    return masks


def row_seeds(seed, batch):
    """One seed a row: int32 (B,), from a number (s, s + 1, …) or one number a row.

    Raises:
        ValueError: something else.
    """
    seeds = np.asarray(seed)
    is_integer = np.issubdtype(seeds.dtype, np.integer)
    if is_integer and seeds.ndim == 0:
        seeds = seeds.astype("int64") + np.arange(batch)
    if not is_integer or seeds.shape != (batch,):
        raise ValueError(
            f"`seed` must be an integer, or one for each of the {batch} rows. Received: {seed!r}"
        )
    return (seeds.astype("int64") & 0xFFFFFFFF).astype("uint32").view("int32")
