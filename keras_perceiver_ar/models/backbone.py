"""Perceiver AR without its output layer."""

import keras
from keras import ops

from keras_perceiver_ar import masks, randomness
from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.checks import check_inputs, check_num_latents, check_sizes
from keras_perceiver_ar.layers.attention_block import EPSILON
from keras_perceiver_ar.layers.cross_attention_block import CrossAttentionBlock
from keras_perceiver_ar.layers.feed_forward import (
    fan_in_initializer,
    get_activation,
    squared_relu,
)
from keras_perceiver_ar.layers.latent_block import LatentBlock
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding
from keras_perceiver_ar.models.position_choice import make_position_layer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PerceiverARBackbone(keras.Model):
    """Reads M inputs into N latents by one masked cross-attention, then thinks in L latent blocks.

    The latents sit on the last N valid inputs of each row. Rows may differ in length, and may be
    shorter than N: the latents that find no input are placed on the left, hold nothing of meaning,
    and count in no loss.

    Args:
        vocab_size: int. V, the reserved ids 0 pad, 1 EOS, 2 SOS included.
        max_context: int. The largest M.
        num_latents: int. N.
        num_layers: int. L, latent blocks after the cross-attention.
        width: int. C, channels of the latents (`num_z_channels`).
        num_heads: int. Heads of the latent blocks.
        input_width: int or None. Channels of the embedded inputs (`input_embed_dim`); None is
            `width`.
        num_cross_heads: int or None. Heads of the cross-attention; None is `num_heads`.
        cross_attention_width: int or None. H · D of the cross-attention; None is `input_width` (the
            original's shape 'kv').
        mlp_factor: number. Hidden width of each latent block's MLP over `width`.
        cross_mlp_factor: number or None. The same for the cross-attention block; None is
            `mlp_factor`.
        activation: name or function, of the MLPs.
        positions: "rotary", "absolute" (frozen sinusoids), "learned", or a `RotaryEmbedding` or
            `PositionEmbedding` of your own making.
        dropout: float in [0, 1). On the output of every attention and MLP.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        inputs: dict of
            token_ids: int (B, M), M ≤ max_context. 0 is padding, at the end of a row.
            lengths: int (B,), optional. Valid inputs of each row, clipped to 0 … M; without it
                a row ends at its first 0.
            positions: int (B, M) or (B, M, P), optional. By default 1 … length.
        training: bool. Whether dropout acts.
        seed: int tensor (2,) or None. Seed of the dropout; None draws from the model's own
            generator.
        num_latents: int or None. Another N for this call: compute can be chosen at evaluation time.

    Returns:
        (B, N, C), the normalised latents; latent n belongs to input `lengths − N + n`.

    Raises:
        ValueError: sizes that do not fit each other, more latents than context, inputs longer than
            `max_context`.

    Example:
        >>> backbone = PerceiverARBackbone(259, max_context=64, num_latents=8, width=32)
        >>> backbone({"token_ids": keras.ops.ones((2, 64), "int32")}).shape
        (2, 8, 32)

    Reference: Hawthorne et al., arXiv 2202.07765, section 2; `PerceiverAR` of the original.
    """

    def __init__(
        self,
        vocab_size,
        max_context,
        num_latents,
        num_layers=6,
        width=1024,
        num_heads=16,
        input_width=None,
        num_cross_heads=None,
        cross_attention_width=None,
        mlp_factor=4,
        cross_mlp_factor=None,
        activation=squared_relu,
        positions="rotary",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes(
            vocab_size=vocab_size,
            max_context=max_context,
            num_layers=num_layers,
            width=width,
            num_heads=num_heads,
        )
        check_num_latents(num_latents, max_context)
        self.vocab_size = vocab_size
        self.max_context = max_context
        self.num_latents = num_latents
        self.num_layers = num_layers
        self.width = width
        self.num_heads = num_heads
        self.input_width = width if input_width is None else input_width
        self.num_cross_heads = num_heads if num_cross_heads is None else num_cross_heads
        self.cross_attention_width = (
            self.input_width if cross_attention_width is None else cross_attention_width
        )
        check_sizes(
            input_width=self.input_width,
            num_cross_heads=self.num_cross_heads,
            cross_attention_width=self.cross_attention_width,
        )
        self.mlp_factor = mlp_factor
        self.cross_mlp_factor = mlp_factor if cross_mlp_factor is None else cross_mlp_factor
        self.activation = get_activation(activation)
        self.positions = positions
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self._make_position_layers()
        self._make_layers()

    def _make_position_layers(self):
        layer = make_position_layer(
            self.positions, self.max_context, self.input_width, self.dtype_policy
        )
        self.rotary = layer if isinstance(layer, RotaryEmbedding) else None
        self.position_embedding = layer if self.rotary is None else None
        self.positions_from_end = layer.from_end
        self.num_index_dimensions = 1 if self.rotary is not None else len(layer.num_rows)

    def _make_layers(self):
        """Builds every layer at once: all sizes are known, and weights can be loaded at once."""
        inputs_shape = (None, None, self.input_width)
        latents_shape = (None, None, self.width)
        common = {
            "activation": self.activation,
            "dropout": self.dropout,
            "rotary": self.rotary,
            "dtype": self.dtype_policy,
        }
        self.token_embedding = keras.layers.Embedding(
            self.vocab_size,
            self.input_width,
            embeddings_initializer=keras.initializers.TruncatedNormal(stddev=1.0),
            name="token_embedding",
            dtype=self.dtype_policy,
        )
        self.token_embedding.build((None, None))
        if self.position_embedding is not None and not self.position_embedding.built:
            self.position_embedding.build()
        self.latent_query = keras.layers.Dense(
            self.width,
            kernel_initializer=fan_in_initializer(),
            name="latent_query",
            dtype=self.dtype_policy,
        )
        self.latent_query.build(inputs_shape)
        self.cross_attention_block = CrossAttentionBlock(
            self.num_cross_heads,
            self.cross_attention_width,
            mlp_factor=self.cross_mlp_factor,
            name="cross_attention_block",
            **common,
        )
        self.cross_attention_block.build(latents_shape, inputs_shape)
        for layer in range(self.num_layers):
            name = f"latent_block_{layer}"
            block = LatentBlock(self.num_heads, mlp_factor=self.mlp_factor, name=name, **common)
            block.build(latents_shape)
            # An attribute each: `tf.train.Checkpoint` passes over lists of Keras layers in silence.
            setattr(self, name, block)
        self.final_norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, name="final_norm", dtype=self.dtype_policy
        )
        self.final_norm.build(latents_shape)
        self.built = True

    @property
    def latent_blocks(self):
        """The latent stack: list of `LatentBlock`."""
        return [getattr(self, f"latent_block_{layer}") for layer in range(self.num_layers)]

    def build(self, input_shape=None):
        """Nothing is left to build: see `_make_layers`."""

    def read_inputs(self, inputs):
        """Completes a dict of inputs.

        Args:
            inputs: the call's `inputs`, or its `token_ids` alone.

        Returns:
            token_ids int32 (B, M), lengths int32 (B,), positions int32 (B, M) or (B, M, P).
        """
        inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        check_inputs(inputs, self.max_context, self.num_index_dimensions)
        token_ids = ops.cast(inputs["token_ids"], "int32")
        num_inputs = ops.shape(token_ids)[1]
        lengths = inputs.get("lengths")
        if lengths is None:
            lengths = masks.sequence_lengths(token_ids)
        lengths = ops.clip(ops.cast(lengths, "int32"), 0, num_inputs)
        if self.positions_from_end:
            positions = positions_lib.positions_from_end(lengths, num_inputs)
        elif inputs.get("positions") is not None:
            positions = ops.cast(inputs["positions"], "int32")
            if self.rotary is not None and len(positions.shape) == 3:
                positions = positions[..., 0]
        else:
            positions = positions_lib.positions_from_start(lengths, num_inputs)
        return token_ids, lengths, positions

    def embed(self, token_ids, positions):
        """Embedded inputs, (B, M, Cᵢ)."""
        embedded = self.token_embedding(token_ids)
        if self.position_embedding is not None:
            embedded = embedded + self.position_embedding(positions)
        return embedded

    def call(self, inputs, training=False, seed=None, num_latents=None):
        token_ids, lengths, positions = self.read_inputs(inputs)
        if training and self.dropout and seed is None:
            seed = self.seed_generator.next()

        def block_seed(index):
            return None if seed is None else randomness.fold_in(seed, index)

        if num_latents is not None:
            check_num_latents(num_latents, self.max_context)
        steps = masks.latent_steps(lengths, num_latents or self.num_latents)
        embedded = self.embed(token_ids, positions)
        latents = self.latent_query(masks.gather_at_steps(embedded, steps))
        rotary = self.rotary is not None
        latent_positions = masks.gather_at_steps(positions, steps) if rotary else None
        latents = self.cross_attention_block(
            latents,
            embedded,
            attention_mask=masks.cross_attention_mask(steps, ops.shape(token_ids)[1]),
            latent_positions=latent_positions,
            input_positions=positions if rotary else None,
            training=training,
            seed=block_seed(0),
        )
        latent_mask = masks.latent_attention_mask(steps)
        for index, block in enumerate(self.latent_blocks):
            latents = block(
                latents,
                attention_mask=latent_mask,
                positions=latent_positions,
                training=training,
                seed=block_seed(index + 1),
            )
        return self.final_norm(latents)

    def compute_output_spec(self, inputs, training=False, seed=None, num_latents=None):
        """Shape and dtype of a symbolic call, `num_latents` of that call included."""
        token_ids = inputs["token_ids"] if isinstance(inputs, dict) else inputs
        shape = (token_ids.shape[0], num_latents or self.num_latents, self.width)
        return keras.KerasTensor(shape, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        shape = input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape
        return (shape[0], self.num_latents, self.width)

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "vocab_size": self.vocab_size,
            "max_context": self.max_context,
            "num_latents": self.num_latents,
            "num_layers": self.num_layers,
            "width": self.width,
            "num_heads": self.num_heads,
            "input_width": self.input_width,
            "num_cross_heads": self.num_cross_heads,
            "cross_attention_width": self.cross_attention_width,
            "mlp_factor": self.mlp_factor,
            "cross_mlp_factor": self.cross_mlp_factor,
            "activation": keras.activations.serialize(self.activation),
            "positions": keras.saving.serialize_keras_object(self.positions),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["positions"], dict):
            config["positions"] = keras.saving.deserialize_keras_object(config["positions"])
        return cls(**config)
