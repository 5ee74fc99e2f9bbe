"""The blocks of the model in their order: cross-attends and latent blocks."""

import keras
from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.layers.cross_attention_block import CrossAttentionBlock
from keras_perceiver_ar.layers.latent_block import LatentBlock
from keras_perceiver_ar.layers.layer_normalization import LayerNormalization


class LatentStack(keras.layers.Layer):
    """Cross-attends and latent blocks of a `PerceiverARBackbone`, and the norm after them.

    A part of the backbone, which makes and saves it; a decode loop takes its blocks one by one.

    Args:
        num_layers: int. L, latent blocks.
        width: int. C.
        num_heads: int. Heads of the latent blocks.
        input_width: int. Channels of the inputs that are read.
        mlp_factor: number.
        activation: function.
        cross_attend: `CrossAttend`.
        dropout: `DropoutRates`.
        rotary: `RotaryEmbedding` or None.
        rematerialize: bool, or a tuple of int: see the backbone.
        latents_per_position: int. n.
        route: `AttentionRoute` or None. Of the latent blocks; see `cross_attend`.

    Call arguments:
        latents: (B, N, C).
        inputs: (B, K, Cᵢ), or None if nothing is read.
        cross_mask: `StepMask` of (B, N, K).
        latent_mask: `StepMask` of (B, N, N).
        latent_positions: int (B, N) or (B, N, P), with rotary positions, else None.
        input_positions: int (B, K) or (B, K, P), the same.
        training: bool.
        seed: uint32 (2,) or None.

    Returns:
        (B, N / n, C).
    """

    def __init__(
        self,
        num_layers,
        width,
        num_heads,
        input_width,
        mlp_factor,
        activation,
        cross_attend,
        dropout,
        rotary,
        rematerialize,
        latents_per_position,
        route=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.latents_per_position = latents_per_position
        self._names = []
        latents_shape, inputs_shape = (None, None, width), (None, None, input_width)
        common = {
            "activation": activation,
            "dropout": dropout.outputs,
            "attention_dropout": dropout.attention,
            "rotary": rotary,
            "dtype": self.dtype_policy,
        }
        cross_mlp_factor = cross_attend.mlp_factor
        cross = {
            "num_heads": cross_attend.num_heads or num_heads,
            "attention_width": cross_attend.width or input_width,
            "mlp_factor": mlp_factor if cross_mlp_factor is None else cross_mlp_factor,
            "route": cross_attend.route,
            "query_residual": cross_attend.query_residual,
            "rematerialize": rematerialize is True,
        }

        def add(block, *shapes):
            # Built at once: all sizes are known, and weights can be loaded.
            block.build(*shapes)
            # An attribute each: `tf.train.Checkpoint` passes over lists of Keras layers in silence.
            setattr(self, block.name, block)
            self._names.append(block.name)

        if cross_attend.initial:
            name = "cross_attention_block"
            add(CrossAttentionBlock(**cross, **common, name=name), latents_shape, inputs_shape)
        for layer in range(num_layers):
            again = rematerialize if isinstance(rematerialize, bool) else layer in rematerialize
            block = LatentBlock(
                num_heads,
                mlp_factor=mlp_factor,
                route=route,
                rematerialize=again,
                name=f"latent_block_{layer}",
                **common,
            )
            add(block, latents_shape)
            if layer in cross_attend.after_layers:
                name = f"cross_attention_block_after_{layer}"
                add(CrossAttentionBlock(**cross, **common, name=name), latents_shape, inputs_shape)
        self.final_norm = LayerNormalization(name="final_norm", dtype=self.dtype_policy)
        self.final_norm.build(latents_shape)
        self.built = True

    @property
    def blocks(self):
        """The blocks in their order: list of `CrossAttentionBlock` and `LatentBlock`."""
        return [getattr(self, name) for name in self._names]

    @property
    def latent_blocks(self):
        """List of `LatentBlock`."""
        return [block for block in self.blocks if isinstance(block, LatentBlock)]

    @property
    def cross_attention_blocks(self):
        """List of `CrossAttentionBlock`."""
        return [block for block in self.blocks if isinstance(block, CrossAttentionBlock)]

    def merge(self, latents):
        """Normalises the latents and averages those of a position: (B, N, C) → (B, N / n, C)."""
        latents = self.final_norm(latents)
        number = self.latents_per_position
        if number == 1:
            return latents
        positions = ops.shape(latents)[1] // number
        return ops.mean(ops.reshape(latents, (-1, positions, number, self.width)), axis=2)

    def call(
        self,
        latents,
        inputs,
        cross_mask,
        latent_mask,
        latent_positions=None,
        input_positions=None,
        training=False,
        seed=None,
    ):
        seeds = randomness.split(seed, len(self.blocks))
        for block, own_seed in zip(self.blocks, seeds, strict=True):
            own = {"training": training, "seed": own_seed}
            if isinstance(block, LatentBlock):
                latents = block(
                    latents, attention_mask=latent_mask, positions=latent_positions, **own
                )
            else:
                latents = block(
                    latents,
                    inputs,
                    attention_mask=cross_mask,
                    latent_positions=latent_positions,
                    input_positions=input_positions,
                    **own,
                )
        return self.merge(latents)
