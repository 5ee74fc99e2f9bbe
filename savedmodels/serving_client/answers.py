"""Whether what came is an answer to what was asked. B batch, T inputs."""

import numpy as np


def read_answer(found, outputs, batch, width=None):
    """What a signature answers, as wide as was asked for, or a reason why this is none.

    A server that batches makes rows as wide as the widest of all the requests in a batch.

    Args:
        found: dict of arrays, and of lists of bytes, by the names of outputs.
        outputs: dict of the names that are wanted to their types; "text" is a list of bytes.
        batch: int, B. Rows of the request.
        width: int or None. T of all outputs but `lengths`; None is one value for each row.

    Returns:
        dict of the outputs: (B,), or (B, T).

    Raises:
        ValueError: one is missing, or of another type or shape; lengths beyond 0 … T.
    """
    lacking = sorted(outputs.keys() - found.keys())
    if lacking:
        raise ValueError(f"the answer lacks {lacking}")
    answer = {}
    for name, dtype in outputs.items():
        value, is_wide = found[name], width is not None and name != "lengths"
        if dtype == "text":
            is_right = isinstance(value, list) and all(isinstance(row, bytes) for row in value)
        else:
            is_right = isinstance(value, np.ndarray) and value.dtype == dtype
        if not is_right:
            raise ValueError(f"{name} of the answer must be {dtype}, got {_type(value)}")
        shape = np.shape(value)
        if len(shape) != 1 + is_wide or shape[0] != batch or (is_wide and shape[1] < width):
            wanted = (batch, width) if is_wide else (batch,)
            raise ValueError(f"{name} of the answer must have the shape {wanted}, got {shape}")
        answer[name] = value[:, :width] if is_wide else value
    if "lengths" in answer:
        most = np.iinfo(np.int32).max if width is None else width
        if answer["lengths"].min() < 0 or answer["lengths"].max() > most:
            got = answer["lengths"].tolist()[:9]
            raise ValueError(f"lengths of the answer must lie in 0 … {most}, got {got}")
    return answer


def from_json(value, dtype):
    """An output as JSON has it: lists → array of a type, or list of bytes where that is "text".

    Raises:
        ValueError: of another type, or a number that the type does not hold.
    """
    if dtype == "text":
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError("no list of texts")
        return [text.encode("utf-8", "surrogatepass") for text in value]
    # Not into the type at once: that cuts fractions off and reads digits in strings.
    values = np.array(value)
    kinds = "iu" if np.dtype(dtype).kind == "i" else "iuf"
    # An empty list is float64 to NumPy; what no 64 bits hold, and null, are objects.
    if values.size and values.dtype.kind not in kinds:
        raise ValueError(f"{values.dtype} where {dtype} should be")
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    # NaN and Infinity stay what they are.
    is_held = cast == values if kinds == "iu" else np.isfinite(cast) == np.isfinite(values)
    if values.size and not is_held.all():
        raise ValueError(f"a number that {dtype} does not hold")
    return cast


def _type(value):
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
