"""From a document, wherever it comes from, to its tokens."""

import hashlib
import io
import types
from typing import NamedTuple

import numpy as np

from keras_perceiver_ar.codecs import byte_codec, image_codec, performance_codec
from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines import remote
from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.data import codecs
from pipelines.data.sentencepiece_text import SentencePieceText
from pipelines.data.words import count_words
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

    vocab_size = byte_codec.VOCAB_SIZE
    files = types.MappingProxyType({})
    token_bytes = 1
    ends = True

    @property
    def config(self):
        """What the manifest says of the codec."""
        return {"name": "bytes"}

    def __call__(self, document):
        """Reads and encodes a document.

        Args:
            document: `Document`, or whatever has its `path` and its `text`.

        Returns:
            `Encoded`.

        Raises:
            UserError: it is not text, or cannot be read.
        """
        data = document.text()
        return Encoded(np.frombuffer(data, np.uint8), len(data), count_words(data))


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
        self.model = remote.content(path, " (--tokenizer is bytes, or a model file)")
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
        data = document.text()
        tokens = self._text.encode(data) - NUM_RESERVED
        if self._text.decode(tokens + NUM_RESERVED).encode() != data:
            raise UserError(
                f"{document.path!r} does not come back from the tokenizer as it was (it holds "
                f"U+2581, or the tokenizer normalises): clean it, or use --tokenizer=bytes"
            )
        return Encoded(tokens.astype(np.uint16), len(data), count_words(data))

    def __getstate__(self):
        return self.model

    def __setstate__(self, model):
        self.model = model
        self._text = SentencePieceText(model, self.FILE)
        self.vocab_size = self._text.vocab_size


class ImageEncoder:
    """Images as colour values in an order.

    Args:
        size: int. Side of the square that every image becomes.
        order: str. "raster", "rgb", or the path of a .npy file with a permutation of its values.

    Raises:
        UserError: an order that is none for the size.
    """

    vocab_size = image_codec.VOCAB_SIZE
    token_bytes = 1
    ends = False

    def __init__(self, size, order):
        check_integer("--image_size", size, most=codecs.MOST_SIDE)
        self.size, self.order = size, order
        self.files = {}
        if order not in image_codec.ORDERS:
            hint = f" (--order={order} is neither {' nor '.join(image_codec.ORDERS)})"
            # Of bytes that are no array it raises whatever its parsers do.
            with user_errors(Exception, hint=hint):
                self.order = np.load(io.BytesIO(remote.content(order, hint)), allow_pickle=False)
                self.order = image_codec.order(size, self.order)
            stream = io.BytesIO()
            np.save(stream, self.order)
            self.files = {codecs.ORDER_FILE: stream.getvalue()}

    @property
    def config(self):
        """What the manifest says of the codec."""
        config = {"name": "image", "size": self.size, "order": self.order}
        if self.files:
            config["order"] = codecs.ORDER_FILE
            config["sha256"] = hashlib.sha256(self.files[codecs.ORDER_FILE]).hexdigest()
        return config

    def __call__(self, document):
        """Reads, cuts square, resizes and encodes."""
        image = document.image(self.size)
        return Encoded((image_codec.encode(image, self.order) - NUM_RESERVED).astype(np.uint8))


class PerformanceEncoder:
    """MIDI files as performance events, the pedal applied."""

    vocab_size = performance_codec.VOCAB_SIZE
    token_bytes = 2
    ends = True
    files = types.MappingProxyType({})

    @property
    def config(self):
        """What the manifest says of the codec."""
        return {"name": "performance"}

    def __call__(self, document):
        """Reads and encodes a `Document`."""
        ids = performance_codec.encode(document.notes())
        return Encoded((ids - NUM_RESERVED).astype(np.uint16))


def make_encoder(dataset, **options):
    """The encoder for a data set.

    Args:
        dataset: str.
        options: `tokenizer` (str) of text: "bytes", as without it, or the path of a SentencePiece
            model; `image_size` (int, 64 without it) and `order` (str, "raster") of images.

    Raises:
        UserError: a tokenizer or an order that cannot be read, or an option of other data.
    """
    known = {"imagenet64": ("image_size", "order"), "maestro": ()}.get(dataset, ("tokenizer",))
    for name in options:
        if name not in known:
            raise UserError(f"--{name} is not of this data ({dataset}): leave it out")
    if dataset == "imagenet64":
        return ImageEncoder(options.get("image_size", 64), options.get("order", "raster"))
    if dataset == "maestro":
        return PerformanceEncoder()
    tokenizer = options.get("tokenizer", "bytes")
    return ByteEncoder() if tokenizer == "bytes" else SentencePieceEncoder(tokenizer)
