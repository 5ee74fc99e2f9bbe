"""The block of which the deep latent stack is made."""

import keras

from keras_perceiver_ar.layers.attention_block import AttentionBlock


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class LatentBlock(AttentionBlock):
    """Latents attend to latents, then pass through an MLP.

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
        rematerialize: bool. Computes the block again in the backward pass.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        latents: (B, N, C).
        attention_mask: `masks.StepMask` (`masks.latent_attention_mask`), bool (B, N, N) that is
            True where attention is allowed, or None.
        positions: int (B, N), needed with `rotary`.
        training: bool.
        seed: uint32 (2,) or None.

    Returns:
        (B, N, C).

    Example:
        >>> LatentBlock(num_heads=4)(keras.ops.ones((2, 3, 32))).shape
        (2, 3, 32)

    Reference: Perceiver AR (arXiv 2202.07765), section 2; `SelfAttention` of the original.
    """

    def build(self, latents_shape):
        self._build(latents_shape, latents_shape)

    def project(self, latents, positions=None):
        """(B, N, C) → query, key and value, each (B, N, H, D)."""
        normed = self.latents_norm(latents)
        return self.attention.project_all(normed, positions)

    def call(self, latents, attention_mask=None, positions=None, training=False, seed=None):
        return self._run(self._think, training, seed, latents, attention_mask, positions)

    def _think(self, latents, mask, positions, training, seed):
        query, key, value = self.project(latents, positions)
        return self.update(latents, query, key, value, mask, training, seed)
