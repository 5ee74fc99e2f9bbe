"""What callers hand to the client, read into the arrays of a signature or refused by name.

Types and shapes alone: which numbers are in range the server knows. B batch, M inputs.
"""

import numpy as np

from savedmodels.serving_client.bad_input import BadInput

INT32 = np.iinfo(np.int32)
# What the signatures of `savedmodels.signatures` answer with.
OUTPUTS = {
    "score": {"log_probs": "float32"},
    "generate": {"token_ids": "int32", "lengths": "int32", "log_probs": "float32"},
    "generate_text": {"text": "text", "lengths": "int32", "log_probs": "float32"},
}
# What changes nothing, of the inputs that a signature may have or not; as in
# `keras_perceiver_ar.generation.sampler`.
OFF = {
    "top_k": np.int32(0),
    "min_p": np.float32(0),
    "typical_p": np.float32(1),
    "repetition_penalty": np.float32(1),
}


def read_tokens(token_ids, lengths=None):
    """Rows of ids and their lengths.

    Args:
        token_ids: integers (B, M), or B sequences of integers, not all of one length.
        lengths: integers (B,), or None: each row then ends at its first 0.

    Returns:
        int32 (B, M), int32 (B,).

    Raises:
        BadInput: another type or shape.
    """
    rows = token_ids
    if not isinstance(token_ids, np.ndarray):
        try:
            rows = [np.asarray(row) for row in token_ids]
        except (TypeError, ValueError) as error:
            raise _not_rows(type(token_ids).__name__) from error
    elif token_ids.ndim != 2:
        raise _not_rows(f"shape {token_ids.shape}")
    _check_some("token_ids", len(rows))
    # An empty list is float64 to NumPy.
    rows = [row if row.size else row.astype(np.int32) for row in rows]
    for row in rows:
        if row.ndim != 1:
            raise _not_rows(f"a row of shape {row.shape}")
        _check_integers("token_ids", row)
    padded = np.zeros((len(rows), max(1, *map(len, rows))), np.int32)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    if lengths is None:
        padding = padded == 0
        lengths = np.where(padding.any(1), padding.argmax(1), padded.shape[1])
    return padded, read_rows("lengths", lengths, len(rows), np.int32)


def _not_rows(got):
    return BadInput("token_ids", f"token_ids must be rows of integers, (B, M), got {got}")


def read_text(text):
    """Texts as UTF-8: str or bytes, or a sequence of them → list of bytes, (B,).

    Raises:
        BadInput: something else, no text at all, or half a surrogate pair, which UTF-8 has not.
    """
    texts = [text] if isinstance(text, str | bytes) else text
    try:
        texts = list(texts)
    except TypeError:
        texts = [texts]
    _check_some("text", len(texts))
    read = []
    for row, value in enumerate(texts):
        if not isinstance(value, str | bytes):
            got = f"row {row} is {value!r}"
            raise BadInput("text", f"text must be str or bytes, one for each row; {got}")
        try:
            read.append(value.encode("utf-8") if isinstance(value, str) else bytes(value))
        except UnicodeEncodeError as error:
            where = f"row {row} holds half a surrogate pair, {value[error.start]!r}"
            raise BadInput("text", f"text must be valid Unicode; {where}") from error
    return read


def read_stream(text, tokens_at_a_time, num_latents):
    """What a stream is asked for: str or bytes → bytes, and two ints, the second int or None.

    Raises:
        BadInput: several texts, or one of the two numbers is no integer or below 1.
    """
    if not isinstance(text, str | bytes):
        raise BadInput("text", f"text must be one str or bytes, got {text!r}")
    (text,) = read_text(text)
    tokens_at_a_time = _read_count("tokens_at_a_time", tokens_at_a_time)
    if num_latents is not None:
        num_latents = _read_count("num_latents", num_latents)
    return text, tokens_at_a_time, num_latents


def _read_count(name, value):
    (count,) = read_rows(name, value, 1, np.int32).tolist()
    if count < 1:
        raise BadInput(name, f"{name} must be at least 1, got {count}")
    return count


def read_rows(name, value, batch, dtype):
    """One number for all rows, or one for each: (B,).

    Raises:
        BadInput: another type or shape, or a number that the type does not hold.
    """
    values = np.asarray(value)
    if values.shape not in ((), (batch,)):
        each = f"{name} must be one number, or one for each of the {batch} rows"
        raise BadInput(name, f"{each}, got shape {values.shape}")
    # Not `dtype == np.int32`: the name of a type is equal to no class.
    if np.dtype(dtype) == np.int32:
        _check_integers(name, values)
    else:
        _check_floats(name, values)
    return np.broadcast_to(values, (batch,)).astype(dtype)


def read_seeds(seed, batch):
    """Seeds of rows: a number s is s, s + 1, … as in Keras' `generate`; int32 (B,).

    Raises:
        BadInput: as for `read_rows`.
    """
    seeds = read_rows("seed", seed, batch, np.int32).astype(np.int64)
    if np.ndim(seed) == 0:
        seeds = seeds + np.arange(batch)
    return seeds.astype(np.uint32).view(np.int32)


def read_sampling(batch, max_new_tokens, seed, temperature, top_p):
    """The four inputs of sampling by name, each (B,).

    Raises:
        BadInput: as for `read_rows`.
    """
    return {
        "max_new_tokens": read_rows("max_new_tokens", max_new_tokens, batch, np.int32),
        "seed": read_seeds(seed, batch),
        "temperature": read_rows("temperature", temperature, batch, np.float32),
        "top_p": read_rows("top_p", top_p, batch, np.float32),
    }


def read_optional(batch, given):
    """Inputs of `OFF` that were given, None being none, each (B,).

    Raises:
        BadInput: as for `read_rows`.
        TypeError: a name that is none of them.
    """
    for name in given:
        if name not in OFF:
            raise TypeError(f"got an unexpected keyword argument {name!r}; there are {[*OFF]}")
    return {
        name: read_rows(name, value, batch, OFF[name].dtype)
        for name, value in given.items()
        if value is not None
    }


def _check_some(name, batch):
    if batch == 0:
        raise BadInput(name, f"{name} must hold at least one row")


def _check_integers(name, values):
    if values.dtype.kind not in "iu":
        raise BadInput(name, f"{name} must hold integers, got {_kind(values)}")
    if values.size and not (INT32.min <= values.min() and values.max() <= INT32.max):
        worst = max(values.min(), values.max(), key=lambda value: abs(int(value)))
        raise BadInput(name, f"{name} must fit 32 bits, got {worst}")


def _check_floats(name, values):
    if values.dtype.kind not in "iuf":
        raise BadInput(name, f"{name} must hold numbers, got {_kind(values)}")
    # NaN and Infinity are the server's to refuse.
    is_beyond = np.isfinite(values) & (np.abs(values) > np.finfo(np.float32).max)
    if is_beyond.any():
        raise BadInput(name, f"{name} must fit 32 bits, got {values[is_beyond].flat[0]}")


def _kind(values):
    if values.dtype.kind in "biufc" or not values.size:
        return str(values.dtype)
    first = values.reshape(-1).tolist()[0]
    return f"{type(first).__name__} {first!r}"
