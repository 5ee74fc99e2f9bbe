"""Text as pieces of words: SentencePiece, by TensorFlow Text's operation, which also serves it.

Kudo & Richardson, arXiv 1808.06226. A model file must keep id 0 for padding, 1 for the end and 2
for the start, as those do that `pipelines.prepare tokenizer` trains.
"""

import tensorflow as tf
import tensorflow_text as tf_text

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines.command_line import user_errors
from pipelines.errors import UserError


class SentencePieceText:
    """Text as the pieces of a SentencePiece model.

    Args:
        model: bytes of the model file.
        name: str. Where it came from, for messages.

    Attributes:
        model: bytes, as given: an export carries them along.

    Raises:
        UserError: no SentencePiece model, or one whose reserved ids are others.
    """

    token_bytes = 2
    ends = True
    metrics = ("word_perplexity", "bits_per_byte", "bits_per_token")
    is_text = False  # ids are no bytes
    positions = None
    masks = ()

    def __init__(self, model, name):
        self.model = model
        with user_errors(tf.errors.OpError, hint=f" ({name!r} is no SentencePiece model)"):
            self.tokenizer = tf_text.SentencepieceTokenizer(model=model)
            self.vocab_size = int(self.tokenizer.vocab_size())
            reserved = self.tokenizer.id_to_string(tf.range(NUM_RESERVED)).numpy().tolist()
        if reserved != [b"<pad>", b"</s>", b"<s>"]:
            raise UserError(
                f"{name!r} has {b', '.join(reserved).decode(errors='replace')} at ids 0, 1, 2 "
                "instead of <pad>, </s>, <s>: train one with `python -m pipelines.prepare "
                "tokenizer`, or with --pad_id=0 --eos_id=1 --bos_id=2 --unk_id=3"
            )

    def encode(self, prompt):
        """int32 (T,): ids of a text, str or UTF-8 bytes."""
        with user_errors(UnicodeEncodeError):
            data = prompt.encode() if isinstance(prompt, str) else prompt
        return self.tokenizer.tokenize(data).numpy()

    def decode(self, token_ids):
        """The text of ids; reserved ones are dropped."""
        ids = tf.constant([int(i) for i in token_ids if i >= NUM_RESERVED], tf.int32)
        return self.tokenizer.detokenize(ids).numpy().decode(errors="replace")
