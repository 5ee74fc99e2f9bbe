"""The models that Perceiver AR is compared with, as `fit` takes them."""

import keras
from keras import ops

import keras_perceiver_ar as kpar


class Segments(keras.Model):
    """A Transformer-XL that reads a row segment by segment, the memory of one for the next.

    Args:
        model: `TransformerXL`. Its `max_context` is the segment, S.

    Call arguments:
        inputs: dict of token_ids, int (B, K · S).

    Returns:
        float32 (B, K · S, V).
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs, training=False):
        ids, size = inputs["token_ids"], self.model.max_context
        memory, logits = None, []
        for start in range(0, ids.shape[1], size):
            part, memory = self.model(
                ids[:, start : start + size], memory=memory, training=training, return_memory=True
            )
            logits.append(part)
        return ops.concatenate(logits, axis=1)


def make(kind, vocab_size, context, memory, **sizes):
    """A model that predicts at every input.

    Args:
        kind: "transformer" or "transformer_xl".
        vocab_size: int. V.
        context: int. Inputs at once, M or S.
        memory: int. E, of a Transformer-XL.
        **sizes: `num_layers`, `width`, `num_heads`, `dropout`, `dtype`, `seed`.

    Returns:
        `DecoderTransformer`, or `Segments` of a `TransformerXL`.
    """
    keras.utils.set_random_seed(sizes["seed"])
    if kind == "transformer":
        return kpar.models.DecoderTransformer(vocab_size, context, **sizes)
    return Segments(kpar.models.TransformerXL(vocab_size, context, memory_length=memory, **sizes))
