"""Perceiver AR without its output layer."""

import keras
from keras import ops

from keras_perceiver_ar import masks, randomness, selection
from keras_perceiver_ar.attention import AttentionRoute
from keras_perceiver_ar.checks import check_kind, check_sizes
from keras_perceiver_ar.layers.context_dropout import ContextDropout
from keras_perceiver_ar.layers.feed_forward import get_activation, squared_relu
from keras_perceiver_ar.layers.initial_latents import InitialLatents
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding
from keras_perceiver_ar.models.combinations import check_combinations, check_latents
from keras_perceiver_ar.models.cross_attend import CrossAttend
from keras_perceiver_ar.models.dropout_rates import DropoutRates
from keras_perceiver_ar.models.inputs import read_inputs
from keras_perceiver_ar.models.latent_query import LatentQuery
from keras_perceiver_ar.models.latent_stack import LatentStack
from keras_perceiver_ar.models.position_choice import make_position_layer
from keras_perceiver_ar.models.token_layers import make_token_embedding
from keras_perceiver_ar.quantization import saved_dtype

# Numbers that a call's seed is folded with; the blocks of the stack count from 0.
_LATENT_DROPOUT, _INPUT_DROPOUT = 2**20, 2**20 + 1
# Arguments that a config holds as they are, and those that Keras serialises.
_PLAIN = ("name", "trainable", "vocab_size", "max_context", "num_latents", "num_layers", "width")
_PLAIN += ("num_heads", "input_width", "mlp_factor", "seed")
_OBJECTS = ("positions", "cross_attend", "latent_query", "dropout", "route")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PerceiverARBackbone(keras.Model):
    """Reads M inputs into N latents by one masked cross-attention, then thinks in L latent blocks.

    The latents sit on the last N valid inputs of each row. Rows may differ in length, and may be
    shorter than N: the latents that find no input are placed on the left, hold nothing of meaning,
    and count in no loss.

    Args:
        vocab_size: int. V, the reserved ids 0 pad, 1 EOS, 2 SOS included.
        max_context: int. The largest M.
        num_latents: int. N (`z_index_dim`).
        num_layers: int. L, latent blocks after the cross-attention (`num_transformers_per_block`).
        width: int. C, channels of the latents (`num_z_channels`).
        num_heads: int. Heads of the latent blocks (`num_transformer_heads`).
        input_width: int or None. Channels of the embedded inputs (`input_embed_dim`); None is
            `width`.
        mlp_factor: number. Hidden width of each latent block's MLP over `width`.
        activation: name or function, of the MLPs.
        positions: "rotary", "absolute" (frozen sinusoids), "learned", or a `RotaryEmbedding` or
            `PositionEmbedding` of your own making.
        cross_attend: `CrossAttend` or None. How the latents read the inputs.
        latent_query: `LatentQuery` or None. What the latents start from.
        dropout: float in [0, 1), on the output of every attention and MLP, or `DropoutRates`.
        rematerialize: bool, or a tuple of int. Computes blocks again in the backward pass instead
            of keeping what is in them: all, none, or the latent blocks of these numbers.
        seed: int or None. Of the dropout, where a call brings no seed of its own.
        route: `AttentionRoute` or None. How the attention of the latent blocks is computed; that
            of the inputs is `cross_attend.route`.

    Call arguments:
        inputs: dict of `token_ids` int (B, M), M ≤ `max_context`, where 0 is padding, at the end of
            a row; `lengths` int (B,), optional, the valid inputs of each row, clipped to 0 … M
            (without it a row ends at its first 0); and `positions` int (B, M) or (B, M, P),
            optional, by default 1 … length.
        training: bool. Whether dropout acts.
        seed: int tensor (2,) or None. Seed of the dropout; None draws from the model's own
            generator.
        num_latents: int or None. Another N for this call: compute can be chosen at evaluation time.

    Returns:
        (B, U, C), the normalised latents, one for each position: the mean of its n latents. U is
        N / n, and N as long as there is one latent a position. Entry u belongs to input
        `lengths − U + u`.

    Raises:
        ValueError: sizes that do not fit each other, settings that contradict each other, more
            latents than context, inputs longer than `max_context`.

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
        mlp_factor=4,
        activation=squared_relu,
        positions="rotary",
        cross_attend=None,
        latent_query=None,
        dropout=0.0,
        rematerialize=False,
        seed=None,
        route=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_kind(CrossAttend, cross_attend=cross_attend)
        check_kind(LatentQuery, latent_query=latent_query)
        check_kind(AttentionRoute, route=route)
        input_width = width if input_width is None else input_width
        check_sizes(vocab_size=vocab_size, max_context=max_context, num_layers=num_layers)
        check_sizes(width=width, num_heads=num_heads, input_width=input_width)
        self.vocab_size = vocab_size
        self.max_context = max_context
        self.num_latents = num_latents
        self.num_layers = num_layers
        self.width = width
        self.num_heads = num_heads
        self.input_width = input_width
        self.mlp_factor = mlp_factor
        self.activation = get_activation(activation)
        self.positions = positions
        self.cross_attend = cross_attend or CrossAttend()
        self.latent_query = latent_query or LatentQuery()
        self.route = route
        self.dropout = dropout
        self.dropout_rates = DropoutRates.get(dropout)
        self.rematerialize = rematerialize
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if self.dropout_rates.any else None
        self.latents_per_position = self.latent_query.latents_per_position
        self.num_positions(num_latents)  # refuses what does not fit
        self._make_position_layers()
        self._make_layers()

    def _make_position_layers(self):
        offset = int(self.latent_query.offset)
        layer = make_position_layer(
            self.positions, self.max_context, self.input_width, self.dtype_policy, offset
        )
        check_combinations(self, layer)
        self.rotary = layer if isinstance(layer, RotaryEmbedding) else None
        self.position_embedding = layer if self.rotary is None else None
        self.positions_from_end = layer.from_end
        self.num_index_dimensions = layer.num_index_dimensions

    def _make_layers(self):
        """Builds every layer at once: all sizes are known, and weights can be loaded."""
        self.token_embedding = make_token_embedding(
            self.vocab_size, self.input_width, self.dtype_policy
        )
        if self.position_embedding is not None and not self.position_embedding.built:
            self.position_embedding.build()
        query = self.latent_query
        self.initial_latents = InitialLatents(
            self.width,
            query.style,
            self.num_latents if query.style == "learned" else None,
            query.latents_per_position,
            query.num_mlp_layers,
            query.mlp_activation,
            name="initial_latents",
            dtype=self.dtype_policy,
        )
        self.initial_latents.build((None, None, self.input_width))
        rates = self.dropout_rates
        self.context_dropout = ContextDropout(
            rates.inputs, rates.keep_inputs, rates.prefix_only, name="context_dropout"
        )
        self.latent_stack = LatentStack(
            self.num_layers,
            self.width,
            self.num_heads,
            self.input_width,
            self.mlp_factor,
            self.activation,
            self.cross_attend,
            rates,
            self.rotary,
            self.rematerialize,
            self.latents_per_position,
            self.route,
            name="latent_stack",
            dtype=self.dtype_policy,
        )
        self.built = True

    def num_positions(self, num_latents=None):
        """U = N / n, the positions on which N latents sit, and so the number of predictions.

        Args:
            num_latents: int or None. Another N.

        Raises:
            ValueError: a number of latents that does not fit.
        """
        num_latents = self.num_latents if num_latents is None else num_latents
        check_latents(num_latents, self.max_context, self.latents_per_position)
        return num_latents // self.latents_per_position

    def build(self, input_shape=None):
        """Nothing is left to build: see `_make_layers`."""

    def read_inputs(self, inputs):
        """token_ids int32 (B, M), lengths int32 (B,), positions: see `models.inputs`."""
        return read_inputs(inputs, self.max_context, self.rotary or self.position_embedding)

    def embed(self, token_ids, positions):
        """Embedded inputs, (B, M, Cᵢ)."""
        embedded = ops.cast(self.token_embedding(token_ids), self.compute_dtype)
        if self.position_embedding is not None:
            # A layer of the user's own making has a dtype of its own.
            added = self.position_embedding(positions)
            embedded = embedded + ops.cast(added, embedded.dtype)
        return embedded

    def place_latents(self, token_ids, positions):
        """Puts n latents on each of U inputs.

        Args:
            token_ids: int32 (B, U).
            positions: int32 (B, U) or (B, U, P), of these inputs.

        Returns:
            (B, U · n, C), and their positions int (B, U · n, …) for rotary ones, else None.
        """
        positions = positions + int(self.latent_query.offset)
        latents = self.initial_latents(self.embed(token_ids, positions))
        repeated = masks.repeat_latents(positions, self.latents_per_position)
        return latents, None if self.rotary is None else repeated

    def call(self, inputs, training=False, seed=None, num_latents=None):
        token_ids, lengths, positions = self.read_inputs(inputs)
        if not training or self.seed_generator is None:
            seed = None
        elif seed is None:
            seed = self.seed_generator.next()

        def fold(number):
            return None if seed is None else randomness.fold_in(seed, number)

        steps = masks.latent_steps(lengths, self.num_positions(num_latents))
        latents, latent_positions = self.place_latents(
            masks.gather_at_steps(token_ids, steps), masks.gather_at_steps(positions, steps)
        )
        steps = masks.repeat_latents(steps, self.latents_per_position)
        keep, rate = None, self.dropout_rates.latents
        if seed is not None and rate:
            keep = selection.keep_each(fold(_LATENT_DROPOUT), rate, ops.shape(steps))
        latent_mask = masks.latent_attention_mask(steps, keep, self.latents_per_position)
        num_inputs, num_positions = ops.shape(token_ids)[1], self.num_positions(num_latents)
        input_steps = self.context_dropout.steps(
            lengths, num_inputs, num_positions, seed is not None, fold(_INPUT_DROPOUT)
        )
        if input_steps.shape[-1] != token_ids.shape[1]:
            token_ids = masks.gather_at_steps(token_ids, input_steps)
            positions = masks.gather_at_steps(positions, input_steps)
        cross_mask = masks.cross_attention_mask(steps, input_steps)
        return self.latent_stack(
            latents,
            self.embed(token_ids, positions),
            cross_mask=cross_mask,
            latent_mask=latent_mask,
            latent_positions=latent_positions,
            input_positions=positions if self.rotary is not None else None,
            training=training,
            seed=seed,
        )

    def compute_output_spec(self, inputs, training=False, seed=None, num_latents=None):
        """Shape and dtype of a symbolic call, `num_latents` of that call included."""
        token_ids = inputs["token_ids"] if isinstance(inputs, dict) else inputs
        shape = (token_ids.shape[0], self.num_positions(num_latents), self.width)
        return keras.KerasTensor(shape, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        shape = input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape
        return (shape[0], self.num_positions(), self.width)

    def get_config(self):
        again = self.rematerialize
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _OBJECTS},
            "dtype": saved_dtype(self),
            "activation": keras.activations.serialize(self.activation),
            "rematerialize": again if isinstance(again, bool) else list(again),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in _OBJECTS:
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
