"""An output layer that shares its weights with the token embedding."""

import math

import keras
from keras import ops


class TiedLogits(keras.layers.Layer):
    """Scores each token by how alike the latent and the token's embedding are.

    A part of the causal model, which makes and saves it. The original has no such layer.

    Args:
        embedding: built `keras.layers.Embedding` of width C.

    Call arguments:
        latents: (B, N, C).

    Returns:
        float32 (B, N, V): the product over √C, as embeddings of deviation 1 want it, plus a bias.

    Reference: Press and Wolf, arXiv 1608.05859.
    """

    def __init__(self, embedding, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.embedding = embedding
        self.bias = self.add_weight(name="bias", shape=(embedding.input_dim,), initializer="zeros")
        self.built = True

    def call(self, latents):
        table = ops.cast(self.embedding.embeddings, "float32")
        if self.embedding.quantization_mode == "int8":
            table = table / ops.expand_dims(self.embedding.embeddings_scale, -1)
        elif self.embedding.quantization_mode is not None:
            raise ValueError(
                "Tied embeddings can be quantised to int8 alone. Received: "
                f"{self.embedding.quantization_mode}"
            )
        scale = 1.0 / math.sqrt(table.shape[-1])
        return ops.matmul(ops.cast(latents, "float32") * scale, ops.transpose(table)) + self.bias

    def compute_output_shape(self, latents_shape):
        return (*latents_shape[:-1], self.embedding.input_dim)
