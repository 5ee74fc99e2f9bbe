"""The block of a Transformer-XL."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.layers.attention_block import AttentionBlock
from keras_perceiver_ar.layers.feed_forward import squared_relu
from keras_perceiver_ar.layers.relative_attention import RelativeAttention


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class RelativeBlock(AttentionBlock):
    """A segment attends to a memory and to itself by distance, then passes through an MLP.

    A `LatentBlock` with a `RelativeAttention`: pre-norm, memory and segment by the same norm.

    Args:
        num_heads: int. H.
        num_positions: int. The most entries of memory and segment together.
        attention_width: int or None. H · D; None is the width of the segment.
        position_width: int or None. r, sines and cosines of the distance; None is D.
        mlp_factor: number. Hidden width of the MLP over that of the segment.
        activation: name or function, of the MLP.
        dropout: float in [0, 1). On the output of the attention and of the MLP.
        attention_dropout: float in [0, 1). On the attention probabilities.
        route: `AttentionRoute` or None. How attention is computed.
        rematerialize: bool. Computes the block again in the backward pass.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        latents: (B, S, C), the segment.
        memory: (B, E, C) or None, what this block was given for the E inputs before the segment.
            No gradient flows into it.
        attention_mask: bool (B, S, E + S) or None, True where attention is allowed.
        training: bool.
        seed: uint32 (2,) or None.

    Returns:
        (B, S, C).

    Raises:
        ValueError: memory and segment of more than `num_positions` entries.

    Example:
        >>> block = RelativeBlock(num_heads=4, num_positions=10)
        >>> block(keras.ops.ones((2, 3, 32)), memory=keras.ops.ones((2, 7, 32))).shape
        (2, 3, 32)

    Reference: Dai et al., arXiv 1901.02860, section 3.
    """

    def __init__(
        self,
        num_heads,
        num_positions,
        attention_width=None,
        position_width=None,
        mlp_factor=4,
        activation=squared_relu,
        dropout=0.0,
        attention_dropout=0.0,
        route=None,
        rematerialize=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            num_heads,
            attention_width,
            mlp_factor,
            activation,
            dropout,
            attention_dropout,
            route=route,
            rematerialize=rematerialize,
            seed=seed,
            **kwargs,
        )
        check_sizes(num_positions=num_positions)
        self.num_positions = num_positions
        self.position_width = position_width

    def _make_attention(self, **options):
        return RelativeAttention(
            num_positions=self.num_positions, position_width=self.position_width, **options
        )

    def build(self, latents_shape, memory_shape=None):
        self._build(latents_shape, latents_shape)

    def call(self, latents, memory=None, attention_mask=None, training=False, seed=None):
        return self._run(self._think, training, seed, latents, memory, attention_mask)

    def _think(self, latents, memory, mask, training, seed):
        everything = latents
        if memory is not None:
            everything = ops.concatenate([ops.stop_gradient(memory), latents], axis=1)
        normed = self.latents_norm(everything)
        num_entries = ops.shape(everything)[1]
        if isinstance(num_entries, int) and num_entries > self.num_positions:
            raise ValueError(
                "Memory and segment hold more than `num_positions` entries. Received: "
                f"num_positions={self.num_positions}, {num_entries} entries"
            )
        start = num_entries - ops.shape(latents)[1]
        places = ops.arange(num_entries, dtype="int32")
        query = self.attention.project_query(normed[:, start:], places[start:])
        key, value = self.attention.project_key_value(normed, places)
        return self.update(latents, query, key, value, mask, training, seed)

    def get_config(self):
        config = super().get_config()
        for name in ("rotary", "query_residual"):
            del config[name]
        return {
            **config,
            "num_positions": self.num_positions,
            "position_width": self.position_width,
        }
