"""Text as SentencePiece's pieces, in a graph: by TensorFlow Text's ops, which TF Serving links."""

import tensorflow as tf
import tensorflow_text as tf_text
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED, SOS


class PieceText:
    """Strings to ids and back, as `pipelines.data.sentencepiece_text` does it.

    Args:
        model: bytes of the model file.

    Attributes:
        unit: str. What a token is, for messages.
        tokenizer: what has to be saved with the graph.
    """

    unit = "pieces"

    def __init__(self, model):
        self.tokenizer = tf_text.SentencepieceTokenizer(model=_without_paths(model))

    def split(self, text):
        """What `ids` makes ids of, and the number of tokens of each text: int32 (B,)."""
        pieces = self.tokenizer.tokenize(text)
        return pieces, tf.cast(pieces.row_lengths(), tf.int32)

    def ids(self, pieces):
        """SOS and the tokens: of ragged int32 (B, None), int32 (B, 1 + longest)."""
        ids = pieces.to_tensor()
        return tf.concat([tf.fill((tf.shape(ids)[0], 1), SOS), ids], axis=1)

    def continuation(self, token_ids, is_new):
        """Text of what is new, which with the prompt's is the text of all.

        Args:
            token_ids: int32 (B, T). What is new comes after all else but padding.
            is_new: bool (B, T).

        Returns:
            string (B,).
        """
        # A piece may mean one thing at the start of a text and another within it.
        everything = self._text(token_ids, token_ids >= NUM_RESERVED)
        prompt = self._text(token_ids, (token_ids >= NUM_RESERVED) & ~is_new)
        start = tf.minimum(tf.strings.length(prompt), tf.strings.length(everything))
        return tf.strings.substr(everything, start, tf.strings.length(everything))

    def _text(self, token_ids, kept):
        return self.tokenizer.detokenize(tf.ragged.boolean_mask(token_ids, kept))


def _without_paths(model):
    """The model file without the names of the files it was learnt from: a graph must not tell."""
    parsed = _model_message().FromString(model)
    for spec, name in (("trainer", "input"), ("trainer", "model_prefix"), ("normalizer", "tsv")):
        getattr(parsed, spec).ClearField(name)
    return parsed.SerializeToString()


def _model_message():
    """SentencePiece's `ModelProto`, as far as it holds names of files; the rest is kept unread.

    The module of it that comes with the package asks for a newer protobuf than TensorFlow allows.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="pieces.proto", package="pieces")
    files = file.message_type.add(name="Files")
    files.field.add(name="input", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_REPEATED)
    for name, number in (("model_prefix", 2), ("tsv", 6)):
        optional = {"type": kinds.TYPE_STRING, "label": kinds.LABEL_OPTIONAL}
        files.field.add(name=name, number=number, **optional)
    model = file.message_type.add(name="Model")
    for name, number in (("trainer", 2), ("normalizer", 3)):
        optional = {"type": kinds.TYPE_MESSAGE, "label": kinds.LABEL_OPTIONAL}
        model.field.add(name=name, number=number, type_name=".pieces.Files", **optional)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pieces.Model"))
