"""From a document's file to its tokens."""

import hashlib
import types
from typing import NamedTuple

import numpy as np

from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines.data import corpus
from pipelines.data.sentencepiece_text import SentencePieceText, read_model
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
    files = types.MappingProxyType({})
    token_bytes = 1
    ends = True

    def __call__(self, document):
        """Reads and encodes a `Document`.

        Returns:
            `Encoded`.

        Raises:
            UserError: a file that is not text, or cannot be read.
        """
        data = _read(document)
        return Encoded(np.frombuffer(data, np.uint8), len(data), len(data.split()))


class SentencePieceEncoder:
    """UTF-8 text, as the pieces of a SentencePiece model.

    Args:
        path: str. The model file.

    Raises:
        UserError: no SentencePiece model, or one of more than 65,539 pieces.
    """

    FILE = "tokenizer.model"
    token_bytes = 2
    ends = True

    def __init__(self, path):
        self.model = read_model(path)
        self._text = SentencePieceText(self.model, path)
        self.vocab_size = self._text.vocab_size
        if self.vocab_size > 2**16 + NUM_RESERVED:
            raise UserError(f"{path!r} has {self.vocab_size:,} pieces: shards take up to 65,539")

    @property
    def config(self):
        """What the manifest says of the codec."""
        digest = hashlib.sha256(self.model).hexdigest()
        return {"name": "sentencepiece", "file": self.FILE, "sha256": digest}

    @property
    def files(self):
        """dict of str to bytes: what lies beside the shards."""
        return {self.FILE: self.model}

    def __call__(self, document):
        """As `ByteEncoder`; a text that would not come back as it is cannot be encoded either."""
        data = _read(document)
        tokens = self._text.encode(data) - NUM_RESERVED
        if self._text.decode(tokens + NUM_RESERVED).encode() != data:
            raise UserError(
                f"{document.path!r} does not come back from the tokenizer as it was (it holds "
                f"U+2581, or the tokenizer normalises): clean it, or use --tokenizer=bytes"
            )
        return Encoded(tokens.astype(np.uint16), len(data), len(data.split()))

    def __getstate__(self):
        return self.model

    def __setstate__(self, model):
        self.model = model
        self._text = SentencePieceText(model, self.FILE)
        self.vocab_size = self._text.vocab_size


def _read(document):
    data = corpus.read_text(document.path, document.part)
    if not data:
        raise UserError(f"{document.path!r} is too short to set aside 5 % of it")
    return data


def make_encoder(dataset, tokenizer):
    """The encoder for a data set.

    Args:
        dataset: str.
        tokenizer: str. "bytes" or the path of a SentencePiece model.

    Raises:
        UserError: a tokenizer that cannot be read.
    """
    del dataset
    return ByteEncoder() if tokenizer == "bytes" else SentencePieceEncoder(tokenizer)
