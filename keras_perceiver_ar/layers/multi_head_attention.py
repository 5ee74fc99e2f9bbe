"""Multi-head attention in three steps that a decode loop can take one by one."""

import keras
from keras import ops

from keras_perceiver_ar.attention import dot_product_attention
from keras_perceiver_ar.checks import check_rates, check_sizes
from keras_perceiver_ar.layers.feed_forward import fan_in_initializer
from keras_perceiver_ar.quantization import saved_dtype

# From so many rows on, one product with the joint weights is worth joining them.
JOINT_ROWS = 128


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class MultiHeadAttention(keras.layers.Layer):
    """Multi-head attention with optional rotary positions.

    `call` is `project_query`, `project_key_value` and `attend` in a row. A decode loop calls them
    itself and keeps the keys and values.

    Args:
        num_heads: int. H.
        attention_width: int or None. H · D; None is the width of the queries.
        output_width: int or None. Width of the output; None is that of the queries.
        rotary: `RotaryEmbedding` or None.
        route: `AttentionRoute` or None. How the attention is computed.
        dropout: float in [0, 1). On the attention probabilities.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        query: (B, N, C).
        inputs: (B, M, Cᵢ), what keys and values are made of; None is `query`.
        attention_mask: `masks.StepMask`, bool (B, N, M) that is True where attention is allowed,
            or None.
        query_positions: int (B, N), needed with `rotary`.
        key_positions: int (B, M), needed with `rotary`.
        training: bool. Whether dropout acts.
        seed: uint32 (2,) or None.

    Returns:
        (B, N, output_width).

    Raises:
        ValueError: `attention_width` is not a multiple of `num_heads`, a rate outside [0, 1).

    Example:
        >>> attention = MultiHeadAttention(num_heads=4)
        >>> attention(keras.ops.ones((2, 3, 32)), keras.ops.ones((2, 100, 24))).shape
        (2, 3, 32)
    """

    def __init__(
        self,
        num_heads,
        attention_width=None,
        output_width=None,
        rotary=None,
        route=None,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes(num_heads=num_heads)
        check_rates(dropout=dropout)
        for name, value in (("attention_width", attention_width), ("output_width", output_width)):
            if value is not None:
                check_sizes(**{name: value})
        self.num_heads = num_heads
        self.attention_width = attention_width
        self.output_width = output_width
        self.rotary = rotary
        self.route = route
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None

    def build(self, query_shape, inputs_shape=None):
        inputs_shape = inputs_shape or query_shape
        width = self.attention_width or query_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                "The attention width must be a multiple of `num_heads`. Received: "
                f"attention width {width}, num_heads={self.num_heads}"
            )
        self._head_shape = (self.num_heads, width // self.num_heads)

        def dense(name, units, input_shape):
            layer = keras.layers.Dense(
                units, name=name, dtype=self.dtype_policy, kernel_initializer=fan_in_initializer()
            )
            layer.build(input_shape)
            return layer

        self.query_dense = dense("query", width, query_shape)
        self.key_dense = dense("key", width, inputs_shape)
        self.value_dense = dense("value", width, inputs_shape)
        self.output_dense = dense(
            "output", self.output_width or query_shape[-1], (*query_shape[:-1], width)
        )
        self.built = True

    def _split_heads(self, x):
        return ops.reshape(x, (-1, ops.shape(x)[1], *self._head_shape))

    def _rotate(self, x, positions):
        if self.rotary is None:
            return x
        # The layer is somebody else's, and so is its dtype: keys in float32 would cost the double.
        return ops.cast(self.rotary(x, positions), x.dtype)

    def project_query(self, query, positions=None):
        """(B, N, C) → (B, N, H, D), rotated by `positions` (B, N)."""
        return self._rotate(self._split_heads(self.query_dense(query)), positions)

    def project_key_value(self, inputs, positions=None):
        """(B, M, Cᵢ) → keys, rotated by `positions` (B, M), and values, each (B, M, H, D)."""
        key = self._rotate(self._split_heads(self.key_dense(inputs)), positions)
        return key, self._split_heads(self.value_dense(inputs))

    def project_all(self, inputs, positions=None):
        """(B, N, C) → query, key and value of self-attention, each (B, N, H, D)."""
        layers = (self.query_dense, self.key_dense, self.value_dense)
        few = (inputs.shape[1] or 1) < JOINT_ROWS
        if few or any(layer.quantization_mode for layer in layers):
            query = self.project_query(inputs, positions)
            return (query, *self.project_key_value(inputs, positions))

        kernels = [ops.cast(layer.kernel, inputs.dtype) for layer in layers]
        joint = ops.matmul(inputs, ops.concatenate(kernels, axis=-1))
        # Each bias for itself: the gradient of a joint one is a slow sum on a GPU.
        query, key, value = (
            self._split_heads(part + ops.cast(layer.bias, part.dtype))
            for part, layer in zip(ops.split(joint, 3, axis=-1), layers, strict=True)
        )
        return self._rotate(query, positions), self._rotate(key, positions), value

    def attend(self, query, key, value, attention_mask=None, seed=None):
        """Attention over projected heads, and the output projection.

        Args:
            query: (B, N, H, D).
            key: (B, M, H, D).
            value: (B, M, H, D).
            attention_mask: `masks.StepMask`, bool (B, N, M) or None.
            seed: uint32 (2,) or None. Dropout acts if there is one.

        Returns:
            (B, N, output_width).
        """
        rate = 0.0 if seed is None else self.dropout
        heads = dot_product_attention(
            query, key, value, attention_mask, self.route, dropout=rate, seed=seed
        )
        merged = ops.reshape(
            heads, (-1, ops.shape(heads)[1], self._head_shape[0] * self._head_shape[1])
        )
        return self.output_dense(merged)

    def call(
        self,
        query,
        inputs=None,
        attention_mask=None,
        query_positions=None,
        key_positions=None,
        training=False,
        seed=None,
    ):
        if inputs is None:
            inputs, key_positions = query, query_positions
        key, value = self.project_key_value(inputs, key_positions)
        query = self.project_query(query, query_positions)
        if not (training and self.dropout):
            seed = None
        elif seed is None:
            seed = self.seed_generator.next()
        return self.attend(query, key, value, attention_mask, seed)

    def enable_lora(self, rank, **kwargs):
        """Freezes the projections and trains a product of low rank beside each (as `Dense` does).

        Args:
            rank: int.
            kwargs: other arguments of `keras.layers.Dense.enable_lora`.

        Reference: Hu et al., arXiv 2106.09685.
        """
        for dense in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            dense.enable_lora(rank, **kwargs)

    def quantize(self, mode, **kwargs):
        """Quantises the projections, as `keras.layers.Dense.quantize` does; the rest stays."""
        for dense in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            dense.quantize(mode, **kwargs)

    def compute_output_shape(self, query_shape, inputs_shape=None):
        return (*query_shape[:-1], self.output_width or query_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "dtype": saved_dtype(self),
            "num_heads": self.num_heads,
            "attention_width": self.attention_width,
            "output_width": self.output_width,
            "rotary": keras.saving.serialize_keras_object(self.rotary),
            "route": keras.saving.serialize_keras_object(self.route),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in {"rotary", "route"} & config.keys():
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
