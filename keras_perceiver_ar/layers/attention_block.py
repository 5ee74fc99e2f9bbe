"""What the cross-attention block and the latent block have in common."""

import keras

from keras_perceiver_ar import randomness
from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.layers.feed_forward import FeedForward, get_activation, squared_relu
from keras_perceiver_ar.layers.multi_head_attention import MultiHeadAttention

EPSILON = 1e-5


class AttentionBlock(keras.layers.Layer):
    """Pre-norm attention and MLP, each followed by dropout and added to the latents.

    A subclass says what keys and values are made of. `update` does the rest, for a whole sequence
    and for one step of decoding alike.

    Args:
        num_heads: int. H.
        attention_width: int or None. H · D; None is the width of the latents.
        mlp_factor: number. Hidden width of the MLP over that of the latents.
        activation: name or function, of the MLP.
        dropout: float in [0, 1). On the output of the attention and of the MLP.
        rotary: `RotaryEmbedding` or None.
        seed: int or None. Of the dropout, where a call brings no seed of its own.
    """

    def __init__(
        self,
        num_heads,
        attention_width=None,
        mlp_factor=4,
        activation=squared_relu,
        dropout=0.0,
        rotary=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes(num_heads=num_heads)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must lie in [0, 1). Received: dropout={dropout}")
        self.num_heads = num_heads
        self.attention_width = attention_width
        self.mlp_factor = mlp_factor
        self.activation = get_activation(activation)
        self.dropout = dropout
        self.rotary = rotary
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None

    def _norm(self, name, shape):
        layer = keras.layers.LayerNormalization(epsilon=EPSILON, name=name, dtype=self.dtype_policy)
        layer.build(shape)
        return layer

    def _build(self, latents_shape, inputs_shape):
        width = latents_shape[-1]
        self.latents_norm = self._norm("latents_norm", latents_shape)
        self.attention = MultiHeadAttention(
            self.num_heads,
            self.attention_width,
            rotary=self.rotary,
            name="attention",
            dtype=self.dtype_policy,
        )
        self.attention.build(latents_shape, inputs_shape)
        self.mlp_norm = self._norm("mlp_norm", latents_shape)
        self.mlp = FeedForward(
            int(self.mlp_factor * width),
            activation=self.activation,
            name="mlp",
            dtype=self.dtype_policy,
        )
        self.mlp.build(latents_shape)
        self.built = True

    def update(self, latents, query, key, value, attention_mask, training=False, seed=None):
        """Attends, then applies the MLP, with their residuals.

        Args:
            latents: (B, N, C).
            query: (B, N, H, D), projected from the normalised latents.
            key: (B, M, H, D).
            value: (B, M, H, D).
            attention_mask: bool (B, N, M) or None.
            training: bool. Whether dropout acts.
            seed: uint32 (2,) or None. None draws from the layer's own generator.

        Returns:
            (B, N, C).
        """
        rate = self.dropout if training else 0.0
        if rate and seed is None:
            seed = self.seed_generator.next()
        after_attention, after_mlp = (
            (randomness.fold_in(seed, 0), randomness.fold_in(seed, 1)) if rate else (None, None)
        )
        attended = self.attention.attend(query, key, value, attention_mask)
        latents = latents + randomness.dropout(attended, rate, after_attention)
        hidden = self.mlp(self.mlp_norm(latents))
        return latents + randomness.dropout(hidden, rate, after_mlp)

    def compute_output_shape(self, latents_shape, *_, **__):
        return latents_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "attention_width": self.attention_width,
            "mlp_factor": self.mlp_factor,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "rotary": keras.saving.serialize_keras_object(self.rotary),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["rotary"] = keras.saving.deserialize_keras_object(config["rotary"])
        return cls(**config)
