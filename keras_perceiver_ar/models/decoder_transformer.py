"""The decoder-only Transformer that Perceiver AR is compared with."""

import keras
from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.layers.feed_forward import squared_relu
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding
from keras_perceiver_ar.models.baseline import Baseline
from keras_perceiver_ar.models.cross_attend import CrossAttend
from keras_perceiver_ar.models.dropout_rates import DropoutRates
from keras_perceiver_ar.models.inputs import read_inputs
from keras_perceiver_ar.models.latent_stack import LatentStack
from keras_perceiver_ar.models.position_choice import make_position_layer


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class DecoderTransformer(Baseline):
    """L latent blocks over every input: pre-norm, causal, nothing read besides.

    What Perceiver AR turns into as its latents become as many as its inputs. Time and memory grow
    with L · M² where those of Perceiver AR grow with N · M + L · N².

    Args:
        vocab_size: int. V, the reserved ids 0 pad, 1 EOS, 2 SOS included.
        max_context: int. The largest M.
        num_layers: int. L.
        width: int. C.
        num_heads: int. H.
        mlp_factor: number. Hidden width of each MLP over `width`.
        activation: name or function, of the MLPs.
        positions: "rotary", "absolute" (frozen sinusoids), "learned", or a `RotaryEmbedding` or
            `PositionEmbedding` of your own making.
        dropout: float in [0, 1). On the output of every attention and MLP.
        rematerialize: bool, or a tuple of int. Computes blocks again in the backward pass: all,
            none, or those of these numbers.
        route: `AttentionRoute` or None. How attention is computed.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        inputs: token_ids, int (B, M) with M ≤ max_context, or a dict of
            token_ids: 0 is padding, at the end of a row.
            lengths: int (B,), optional; without it a row ends at its first 0.
            positions: int (B, M) or (B, M, P), optional. By default 1 … length.
        training: bool. Whether dropout acts.
        seed: int tensor (2,) or None. Seed of the dropout.

    Returns:
        float32 (B, M, V). Entry m predicts input m + 1; entries on padding mean nothing.

    Raises:
        ValueError: sizes that do not fit each other, inputs longer than `max_context`.

    Example:
        >>> model = DecoderTransformer(259, max_context=64, num_layers=2, width=32, num_heads=4)
        >>> model.compile("adam", loss=PerceiverARLoss())
        >>> ids = np.random.randint(3, 259, (16, 65))
        >>> model.fit(ids[:, :-1], ids[:, 1:])

    Reference: Hawthorne et al., arXiv 2202.07765, section 2 and table 1.
    """

    def __init__(
        self,
        vocab_size,
        max_context,
        num_layers=6,
        width=1024,
        num_heads=16,
        mlp_factor=4,
        activation=squared_relu,
        positions="rotary",
        dropout=0.0,
        rematerialize=False,
        route=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            vocab_size,
            max_context,
            num_layers,
            width,
            num_heads,
            mlp_factor,
            activation,
            dropout,
            rematerialize,
            route,
            seed,
            **kwargs,
        )
        self.positions = positions
        layer = make_position_layer(positions, max_context, width, self.dtype_policy)
        self.rotary = layer if isinstance(layer, RotaryEmbedding) else None
        self.position_embedding = layer if self.rotary is None else None
        if not layer.built:
            layer.build()
        self.latent_stack = LatentStack(
            num_layers,
            width,
            num_heads,
            width,
            mlp_factor,
            self.activation,
            CrossAttend(initial=False),
            DropoutRates(outputs=dropout),
            self.rotary,
            rematerialize,
            latents_per_position=1,
            route=route,
            name="latent_stack",
            dtype=self.dtype_policy,
        )
        self.built = True

    def call(self, inputs, training=False, seed=None):
        layer = self.rotary or self.position_embedding
        token_ids, _, positions = read_inputs(inputs, self.max_context, layer)
        latents = self._embed(token_ids)
        if self.rotary is None:
            # A layer of the user's own making has a dtype of its own.
            latents = latents + ops.cast(layer(positions), latents.dtype)
        latents = self.latent_stack(
            latents,
            inputs=None,
            cross_mask=None,
            latent_mask=masks.latent_attention_mask(self._steps(token_ids)),
            latent_positions=None if self.rotary is None else positions,
            training=training,
            seed=self._training_seed(training, seed),
        )
        return self.logits(latents)

    def get_config(self):
        positions = keras.saving.serialize_keras_object(self.positions)
        return {**super().get_config(), "positions": positions}
