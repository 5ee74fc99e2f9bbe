"""From the tokens of a set of shards to what they stand for, and back, by the manifest's word."""

from keras_perceiver_ar.codecs import byte_codec
from pipelines.errors import UserError


class ByteText:
    """Text as UTF-8 bytes.

    Attributes:
        metrics: tuple of str, `evaluation_metrics` of a task.
        is_text: bool. Whether ids decode to a str.
        positions: int32 (T, P), those of every event of a document, or None, which is 1, 2, …
    """

    metrics = ("bits_per_byte",)
    is_text = True
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


def make_codec(config, path):
    """The codec that a manifest names.

    Args:
        config: dict, `Manifest.codec`.
        path: str. Folder of the shards, where a tokenizer file lies.

    Raises:
        UserError: an unknown one, or a tokenizer file that is not the one it was.
    """
    name = config.get("name")
    if name == "bytes":
        return ByteText()
    if name == "sentencepiece":
        from pipelines.data.sentencepiece_text import SentencePieceText

        return SentencePieceText.load(f"{path.rstrip('/')}/{config['file']}", config["sha256"])
    raise UserError(f"unknown codec {name!r} in the manifest: is the program too old?")
