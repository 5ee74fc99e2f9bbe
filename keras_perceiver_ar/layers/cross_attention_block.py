"""The block that reads a long input into a few latents."""

import keras

from keras_perceiver_ar.layers.attention_block import AttentionBlock


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class CrossAttentionBlock(AttentionBlock):
    """Latents attend to the inputs, then pass through an MLP: the cross-attend of the paper.

    Args:
        num_heads: int. H.
        attention_width: int or None. H · D; None is the width of the latents (the original's shape
            'q'; give the width of the inputs for its 'kv').
        mlp_factor: number. Hidden width of the MLP over that of the latents.
        activation: name or function, of the MLP.
        dropout: float in [0, 1). On the output of the attention and of the MLP.
        attention_dropout: float in [0, 1). On the attention probabilities.
        rotary: `RotaryEmbedding` or None.
        route: `AttentionRoute` or None. How the attention is computed.
        query_residual: bool. Whether the attention is added to the latents or takes their place
            (`encoder_use_query_residual`).
        rematerialize: bool. Computes the block again in the backward pass.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        latents: (B, N, C).
        inputs: (B, M, Cᵢ).
        attention_mask: `masks.StepMask` (`masks.cross_attention_mask`), bool (B, N, M) that is
            True where attention is allowed, or None.
        latent_positions: int (B, N), needed with `rotary`.
        input_positions: int (B, M), needed with `rotary`.
        training: bool.
        seed: uint32 (2,) or None.

    Returns:
        (B, N, C).

    Example:
        >>> block = CrossAttentionBlock(num_heads=4)
        >>> block(keras.ops.ones((2, 3, 32)), keras.ops.ones((2, 100, 24))).shape
        (2, 3, 32)

    Reference: Perceiver AR (arXiv 2202.07765), section 2; `CrossAttention` of the original.
    """

    def build(self, latents_shape, inputs_shape):
        self.inputs_norm = self._norm("inputs_norm", inputs_shape)
        self._build(latents_shape, inputs_shape)

    def project_query(self, latents, positions=None):
        """(B, N, C) → (B, N, H, D)."""
        return self.attention.project_query(self.latents_norm(latents), positions)

    def project_key_value(self, inputs, positions=None):
        """(B, M, Cᵢ) → keys and values, each (B, M, H, D)."""
        return self.attention.project_key_value(self.inputs_norm(inputs), positions)

    def call(
        self,
        latents,
        inputs,
        attention_mask=None,
        latent_positions=None,
        input_positions=None,
        training=False,
        seed=None,
    ):
        return self._run(
            self._read,
            training,
            seed,
            latents,
            inputs,
            attention_mask,
            latent_positions,
            input_positions,
        )

    def _read(self, latents, inputs, mask, latent_positions, input_positions, training, seed):
        query = self.project_query(latents, latent_positions)
        key, value = self.project_key_value(inputs, input_positions)
        return self.update(latents, query, key, value, mask, training, seed)
