"""From the tokens of a set of shards to what they stand for, and back, by the manifest's word."""

import hashlib
import io

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec, image_codec, performance_codec
from pipelines import image_files, midi_files, remote
from pipelines.errors import UserError

ORDER_FILE = "order.npy"


class ByteText:
    """Text as UTF-8 bytes.

    Attributes:
        metrics: tuple of str, `evaluation_metrics` of a task.
        is_text: bool. Whether ids are bytes of text, as an export's `generate_text` takes them.
        suffix: str. Of the files that `write` makes.
        positions: int32 (T, P), those of every event of a document, or None, which is 1, 2, …
    """

    metrics = ("bits_per_byte", "word_perplexity")
    is_text = True
    suffix = ".txt"
    positions = None
    vocab_size = byte_codec.VOCAB_SIZE

    def encode(self, prompt):
        """Ids of a text."""
        try:
            return byte_codec.encode(prompt)
        except UnicodeEncodeError as error:
            raise UserError(f"the prompt is not UTF-8 at character {error.start}") from error

    def decode(self, token_ids):
        """The text of ids; what is not UTF-8 is replaced by U+FFFD."""
        return byte_codec.decode(token_ids)


class Image:
    """Square images as colour values.

    Args:
        size: int. Side.
        order: str or int32 (T,), of `image_codec.order`.
    """

    metrics = ("bits_per_dim",)
    is_text = False
    suffix = ".png"
    vocab_size = image_codec.VOCAB_SIZE

    def __init__(self, size, order):
        self.size, self.order = size, order
        of_values = image_codec.positions(size, order)
        self.positions = np.concatenate([[image_codec.SOS_POSITION], of_values]).astype(np.int32)

    def encode(self, prompt):
        """Ids of the beginning of an image: of nothing, so far."""
        if prompt:
            raise UserError("images take no prompt of text: leave --prompt out")
        return []

    def decode(self, token_ids):
        """uint8 (S, S, 3): the image; what has not been drawn is black."""
        return image_codec.decode(token_ids, self.size, self.order)

    def write(self, token_ids, path):
        """Writes an image as PNG."""
        image_files.write_grid(self.decode(token_ids)[None], path)


class Performance:
    """Piano performances as MIDI events."""

    metrics = ()
    is_text = False
    suffix = ".mid"
    positions = None
    vocab_size = performance_codec.VOCAB_SIZE

    def encode(self, prompt):
        """Ids of the beginning of a performance: of nothing, or of a MIDI file."""
        return performance_codec.encode(midi_files.read(prompt)) if prompt else []

    def decode(self, token_ids):
        """Records (N,) of notes."""
        return performance_codec.decode(token_ids)

    def write(self, token_ids, path):
        """Writes a MIDI file."""
        midi_files.write(self.decode(token_ids), path)


def make_codec(config, path):
    """The codec that a manifest names.

    Args:
        config: dict, `Manifest.codec`.
        path: str. Folder of the shards, where a tokenizer file lies.

    Raises:
        UserError: an unknown one, or a file beside the shards that is not the one it was.
    """
    name = config.get("name")
    if name == "bytes":
        return ByteText()
    if name == "sentencepiece":
        from pipelines.data.sentencepiece_text import SentencePieceText

        return SentencePieceText(_same_file(path, config["file"], config["sha256"]), path)
    if name == "image":
        order = config["order"]
        if "sha256" in config:
            order = np.load(io.BytesIO(_same_file(path, order, config["sha256"])))
        return Image(config["size"], order)
    if name == "performance":
        return Performance()
    raise UserError(f"unknown codec {name!r} in the manifest: is the program too old?")


def _same_file(folder, name, sha256):
    path = tf.io.gfile.join(folder, name)
    content = remote.content(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(
            f"{path!r} is not the file that the shards were made with: copy the whole folder "
            "again, or prepare it anew"
        )
    return content
