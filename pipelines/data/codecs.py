"""From the tokens of a set of shards to what they stand for, and back, by the manifest's word."""

import contextlib
import hashlib
import io
import itertools

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec, image_codec, performance_codec
from keras_perceiver_ar.generation import DataMask, SoundingNotesMask
from pipelines import image_files, midi_files, remote
from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.data import manifest
from pipelines.data.manifest_checks import check_digest, check_name
from pipelines.errors import UserError

ORDER_FILE = "order.npy"
# Pixels. With more, the positions alone would take gigabytes.
MOST_SIDE = 4096


class ByteText:
    """Text as UTF-8 bytes.

    Attributes:
        token_bytes: int. What a token takes in a shard.
        ends: bool. Whether a document is followed by EOS.
        metrics: tuple of str, `evaluation_metrics` of a task.
        is_text: bool. Whether ids are bytes of text.
        suffix: str. Of the files that `write` makes.
        positions: int32 (T, P), those of every event of a document, or None, which is 1, 2, …
        masks: tuple of `keras_perceiver_ar.generation.LogitMask`. What may follow what.
    """

    token_bytes = 1
    ends = True
    metrics = ("bits_per_byte", "word_perplexity")
    is_text = True
    suffix = ".txt"
    positions = None
    masks = ()
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

    token_bytes = 1
    ends = False
    metrics = ("bits_per_dim",)
    is_text = False
    suffix = ".png"
    masks = (DataMask(image_codec.VOCAB_SIZE),)
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

    token_bytes = 2
    ends = True
    metrics = ("nll_per_event",)
    is_text = False
    suffix = ".mid"
    positions = None
    masks = (SoundingNotesMask(),)
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


def codec_of(made, path):
    """The codec of a set, which what its manifest says of the tokens must agree with.

    Args:
        made: `Manifest`.
        path: str. Folder of the shards.

    Raises:
        UserError: it does not, or as `make_codec`.
    """
    codec = make_codec(made.codec, path)
    for name in ("vocab_size", "token_bytes", "ends"):
        if getattr(made, name) != getattr(codec, name):
            reason = f"{name} is {getattr(made, name)}, that of its codec {getattr(codec, name)}"
            raise manifest.edited(path, reason)
    is_text = "bits_per_byte" in codec.metrics
    for shard in itertools.chain.from_iterable(made.splits.values()):
        if codec.positions is not None and (shard.tokens() != len(codec.positions) - 1).any():
            raise manifest.edited(path, f"a document of {shard.file} is no image of its size")
        least, most = (1, shard.bytes) if is_text and shard.documents else (0, 0)
        if not least <= shard.words <= most or (not is_text and shard.bytes):
            reason = f"{shard.file} has {shard.words:,} words in {shard.bytes:,} bytes of text"
            raise manifest.edited(path, reason)
        if codec.is_text and shard.document_bytes != shard.document_tokens:
            raise manifest.edited(path, f"{shard.file} has other numbers of bytes than of tokens")
    return codec


def make_codec(config, path):
    """The codec that a manifest names.

    Args:
        config: dict, `Manifest.codec`.
        path: str. Folder of the shards, where a tokenizer file lies.

    Raises:
        UserError: an unknown one, one with settings that are missing or none, or a file beside the
            shards that is not the one it was.
    """
    name = config.get("name")
    if name == "bytes":
        return ByteText()
    if name == "sentencepiece":
        from pipelines.data.sentencepiece_text import SentencePieceText

        return SentencePieceText(_same_file(path, config, "file"), path)
    if name == "image":
        with _of_manifest(path):
            check_integer("size", config.get("size"), most=MOST_SIDE)
        order = config.get("order")
        if order not in image_codec.ORDERS:
            content = _same_file(path, config, "order")
            with user_errors(ValueError, TypeError, EOFError, hint=f" (order in {path!r})"):
                order = np.load(io.BytesIO(content))
        with user_errors(ValueError, TypeError, hint=f" (order in {path!r})"):
            return Image(config["size"], order)
    if name == "performance":
        return Performance()
    raise UserError(f"unknown codec {name!r} in the manifest: is the program too old?")


@contextlib.contextmanager
def _of_manifest(folder):
    """Says of a setting that is refused whose it is."""
    try:
        yield
    except UserError as error:
        raise manifest.edited(folder, f"codec: {error}") from error


def _same_file(folder, config, name):
    with _of_manifest(folder):
        check_name(name, config.get(name))
        check_digest("sha256", config.get("sha256"))
    path = tf.io.gfile.join(folder, config[name])
    content = remote.content(path)
    if hashlib.sha256(content).hexdigest() != config["sha256"]:
        raise UserError(
            f"{path!r} is not the file that the shards were made with: copy the whole folder "
            "again, or prepare it anew"
        )
    return content
