"""From a document's file to its tokens."""

from typing import NamedTuple

import numpy as np

from keras_perceiver_ar.codecs import byte_codec
from pipelines.data import corpus
from pipelines.errors import UserError


class Encoded(NamedTuple):
    """A document's tokens.

    Attributes:
        tokens: uint8 or uint16 (T,). Ids less the reserved ones.
        bytes: int. UTF-8 bytes of text, else 0.
        words: int. Stretches without white space in text, else 0.
    """

    tokens: np.ndarray
    bytes: int = 0
    words: int = 0


class ByteEncoder:
    """UTF-8 text, a token for each byte."""

    @property
    def config(self):
        """What the manifest says of the codec."""
        return {"name": "bytes"}

    vocab_size = byte_codec.VOCAB_SIZE
    token_bytes = 1
    ends = True

    def __call__(self, document):
        """Reads and encodes a `Document`.

        Returns:
            `Encoded`.

        Raises:
            UserError: a file that is not text, or cannot be read.
        """
        data = corpus.read_text(document.path, document.part)
        if not data:
            raise UserError(f"{document.path!r} is too short to set aside 5 % of it")
        return Encoded(np.frombuffer(data, np.uint8), len(data), len(data.split()))


def make_encoder(dataset, tokenizer):
    """The encoder for a data set.

    Args:
        dataset: str.
        tokenizer: str. "bytes" or the path of a SentencePiece model.

    Raises:
        UserError: an unknown tokenizer.
    """
    del dataset
    if tokenizer == "bytes":
        return ByteEncoder()
    raise UserError(f"unknown --tokenizer={tokenizer}: choose bytes")
