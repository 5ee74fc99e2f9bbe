"""Words of text, as PG-19 counts them."""

import numpy as np

_CHUNK = 1 << 24
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\x0b\x0c"))


def count_words(data):
    """int. Stretches of UTF-8 bytes without white space, as `len(data.split())` counts them.

    In a fraction of its memory, which is ten times that of the text.

    Args:
        data: bytes, or uint8 array.
    """
    count, before = 0, True
    for start in range(0, len(data), _CHUNK):
        space = _IS_SPACE[np.frombuffer(data, np.uint8, min(_CHUNK, len(data) - start), start)]
        count += int(np.count_nonzero(~space[1:] & space[:-1])) + int(before and not space[0])
        before = bool(space[-1])
    return count
