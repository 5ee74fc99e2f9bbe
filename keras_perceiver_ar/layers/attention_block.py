"""What the cross-attention block and the latent block have in common."""

import keras

from keras_perceiver_ar import randomness
from keras_perceiver_ar.checks import check_numbers, check_rates, check_sizes
from keras_perceiver_ar.layers.feed_forward import FeedForward, get_activation, squared_relu
from keras_perceiver_ar.layers.layer_normalization import LayerNormalization
from keras_perceiver_ar.layers.multi_head_attention import MultiHeadAttention
from keras_perceiver_ar.quantization import saved_dtype
from keras_perceiver_ar.rematerialize import rematerialize


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
        attention_dropout: float in [0, 1). On the attention probabilities.
        rotary: `RotaryEmbedding` or None.
        route: `AttentionRoute` or None. How the attention is computed.
        query_residual: bool. Whether the attention is added to the latents or takes their place.
        rematerialize: bool. Computes the block again in the backward pass instead of keeping what
            is in it. Dropout draws the same masks again (with `keras.remat` around a Keras layer it
            does not).
        seed: int or None. Of the dropout, where a call brings no seed of its own.
    """

    def __init__(
        self,
        num_heads,
        attention_width=None,
        mlp_factor=4,
        activation=squared_relu,
        dropout=0.0,
        attention_dropout=0.0,
        rotary=None,
        route=None,
        query_residual=True,
        rematerialize=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes(num_heads=num_heads)
        check_rates(dropout=dropout, attention_dropout=attention_dropout)
        check_numbers(mlp_factor=mlp_factor, above=True)
        self.num_heads = num_heads
        self.attention_width = attention_width
        self.mlp_factor = mlp_factor
        self.activation = get_activation(activation)
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.rotary = rotary
        self.route = route
        self.query_residual = query_residual
        self.rematerialize = rematerialize
        self.seed = seed
        draws = dropout or attention_dropout
        self.seed_generator = keras.random.SeedGenerator(seed) if draws else None

    def _norm(self, name, shape):
        layer = LayerNormalization(name=name, dtype=self.dtype_policy)
        layer.build(shape)
        return layer

    def _make_attention(self, **options):
        return MultiHeadAttention(rotary=self.rotary, **options)

    def _build(self, latents_shape, inputs_shape):
        width = latents_shape[-1]
        self.latents_norm = self._norm("latents_norm", latents_shape)
        self.attention = self._make_attention(
            num_heads=self.num_heads,
            attention_width=self.attention_width,
            output_width=width,
            route=self.route,
            dropout=self.attention_dropout,
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
            attention_mask: `masks.StepMask`, bool (B, N, M) or None.
            training: bool. Whether dropout acts.
            seed: uint32 (2,) or None. None draws from the layer's own generator.

        Returns:
            (B, N, C).
        """
        seed = self._training_seed(training, seed)
        after_attention, after_mlp, within = randomness.split(seed, 3)
        rate = 0.0 if seed is None else self.dropout
        attended = self.attention.attend(query, key, value, attention_mask, within)
        attended = randomness.dropout(attended, rate, after_attention)
        latents = latents + attended if self.query_residual else attended
        hidden = self.mlp(self.mlp_norm(latents))
        return latents + randomness.dropout(hidden, rate, after_mlp)

    def _training_seed(self, training, seed):
        """The seed of a call: None where no dropout acts, one of the layer's own where none came.

        Never drawn while a block is rematerialised: that would draw another one the second time.
        """
        if not training or self.seed_generator is None:
            return None
        return self.seed_generator.next() if seed is None else seed

    def _run(self, function, training, seed, *tensors):
        """`function(*tensors, training, seed)`, rematerialised if that was asked for."""
        seed = self._training_seed(training, seed)
        if not (training and self.rematerialize):
            return function(*tensors, training, seed)
        # Less the state of the seed generator, which has been read already.
        return rematerialize(function, *tensors, training, seed, variables=self.weights)

    def enable_lora(self, rank, **kwargs):
        """Freezes the block's projections and trains a product of low rank beside each.

        Args:
            rank: int.
            kwargs: other arguments of `keras.layers.Dense.enable_lora`.
        """
        for layer in (self.attention, self.mlp):
            layer.enable_lora(rank, **kwargs)

    def quantize(self, mode, **kwargs):
        """Quantises the block's projections, as `keras.layers.Dense.quantize` does."""
        for layer in (self.attention, self.mlp):
            layer.quantize(mode, **kwargs)

    def compute_output_shape(self, latents_shape, *_, **__):
        return latents_shape

    def get_config(self):
        return {
            **super().get_config(),
            "dtype": saved_dtype(self),
            "num_heads": self.num_heads,
            "attention_width": self.attention_width,
            "mlp_factor": self.mlp_factor,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "rotary": keras.saving.serialize_keras_object(self.rotary),
            "route": keras.saving.serialize_keras_object(self.route),
            "query_residual": self.query_residual,
            "rematerialize": self.rematerialize,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in {"rotary", "route"} & config.keys():
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
