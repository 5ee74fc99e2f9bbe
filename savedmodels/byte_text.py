"""Text as UTF-8 bytes, in a graph: what `generate_text` of a byte model reads and writes."""

import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec


class ByteText:
    """Strings to ids and back. B batch, T prompt and continuation.

    Attributes:
        unit: str. What a token is, for messages.
    """

    unit = "bytes"

    def split(self, text):
        """What `ids` makes ids of, and the number of tokens of each text: int32 (B,)."""
        return text, tf.strings.length(text)

    def ids(self, text):
        """SOS and the tokens: of string (B,), int32 (B, 1 + longest)."""
        longest = tf.reduce_max(tf.strings.length(text))
        data = tf.io.decode_raw(text, tf.uint8, fixed_length=longest + 1)
        ids = tf.cast(data, tf.int32) + byte_codec.NUM_RESERVED
        return tf.concat([tf.fill((tf.shape(ids)[0], 1), byte_codec.SOS), ids], axis=1)

    def continuation(self, token_ids, is_new):
        """Text of what is new, as valid UTF-8.

        Args:
            token_ids: int32 (B, T).
            is_new: bool (B, T).

        Returns:
            string (B,).
        """
        pieces = [b""] * byte_codec.NUM_RESERVED + [bytes([byte]) for byte in range(256)]
        new = tf.where(is_new, token_ids, byte_codec.PAD)
        joined = tf.strings.reduce_join(tf.gather(tf.constant(pieces), new), axis=-1)
        return tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8", errors="replace")
