"""Text as UTF-8 bytes: byte b is id b + 3. T length of a sequence."""

import numpy as np

from keras_perceiver_ar.codecs.event_ids import EOS as EOS
from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED, check_ids
from keras_perceiver_ar.codecs.event_ids import PAD as PAD
from keras_perceiver_ar.codecs.event_ids import SOS as SOS

VOCAB_SIZE = NUM_RESERVED + 256


def encode(text):
    """Ids of a text, one for each byte, without SOS and EOS.

    Args:
        text: str (taken as UTF-8) or bytes.

    Returns:
        int32 (T,), values 3 … 258.

    Raises:
        TypeError: `text` is neither str nor bytes.
        UnicodeEncodeError: `text` is a str with lone surrogates, which UTF-8 cannot write.
    """
    if isinstance(text, str):
        text = text.encode("utf-8")
    if not isinstance(text, (bytes, bytearray, memoryview)):
        raise TypeError(f"`text` must be str or bytes, got {type(text).__name__}.")
    return np.frombuffer(text, np.uint8).astype(np.int32) + NUM_RESERVED


def decode(ids):
    """Text of a sequence of ids.

    Reserved ids (padding, EOS, SOS) are dropped, and bytes that are not UTF-8 become U+FFFD: a
    model may sample any byte, and a generated text may end inside a character.

    Args:
        ids: integers (T,), values 0 … 258.

    Returns:
        str.

    Raises:
        TypeError: `ids` are not integers.
        ValueError: an id outside 0 … 258, or more than one dimension.
    """
    ids = check_ids(ids, VOCAB_SIZE)
    data = ids[ids >= NUM_RESERVED] - NUM_RESERVED
    return data.astype(np.uint8).tobytes().decode("utf-8", errors="replace")
