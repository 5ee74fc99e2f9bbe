"""What the models that Perceiver AR is compared with have in common."""

import keras
from keras import ops

from keras_perceiver_ar.attention.route import AttentionRoute
from keras_perceiver_ar.checks import check_kind, check_rates, check_rematerialize, check_sizes
from keras_perceiver_ar.layers.feed_forward import get_activation
from keras_perceiver_ar.models.token_layers import make_logits, make_token_embedding
from keras_perceiver_ar.quantization import saved_dtype

_PLAIN = ("name", "trainable", "vocab_size", "max_context", "num_layers", "width", "num_heads")
_PLAIN += ("mlp_factor", "dropout", "seed")


class Baseline(keras.Model):
    """Tokens in, and for every input the logits of the next; what lies between is a subclass.

    Args: as for `DecoderTransformer`, less `positions`.
    """

    def __init__(
        self,
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
    ):
        super().__init__(**kwargs)
        check_sizes(
            vocab_size=vocab_size,
            max_context=max_context,
            num_layers=num_layers,
            width=width,
            num_heads=num_heads,
        )
        check_rates(dropout=dropout)
        check_rematerialize(rematerialize, num_layers)
        check_kind(AttentionRoute, route=route)
        self.vocab_size = vocab_size
        self.max_context = max_context
        self.num_layers = num_layers
        self.width = width
        self.num_heads = num_heads
        self.mlp_factor = mlp_factor
        self.activation = get_activation(activation)
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.route = route
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self.token_embedding = make_token_embedding(vocab_size, width, self.dtype_policy)
        self.logits = make_logits(vocab_size, width, self.dtype_policy)

    def build(self, input_shape=None):
        """Nothing is left to build: all sizes are known from the start."""

    def _embed(self, token_ids):
        """(B, M, C)."""
        return ops.cast(self.token_embedding(token_ids), self.compute_dtype)

    def _training_seed(self, training, seed):
        """The seed of a call, None where no dropout acts."""
        if not training or self.seed_generator is None:
            return None
        return self.seed_generator.next() if seed is None else seed

    def _steps(self, token_ids):
        """int32 (B, M): every input is a query, and padding lies behind all that is read."""
        return ops.broadcast_to(
            ops.arange(ops.shape(token_ids)[1], dtype="int32"), ops.shape(token_ids)
        )

    def compute_output_spec(self, inputs, training=False, seed=None):
        """Shape and dtype of a symbolic call."""
        token_ids = inputs["token_ids"] if isinstance(inputs, dict) else inputs
        return keras.KerasTensor((*token_ids.shape, self.vocab_size), "float32")

    def compute_output_shape(self, input_shape):
        shape = input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape
        return (*shape, self.vocab_size)

    def get_config(self):
        again = self.rematerialize
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "dtype": saved_dtype(self),
            "activation": keras.activations.serialize(self.activation),
            "rematerialize": again if isinstance(again, bool) else list(again),
            "route": keras.saving.serialize_keras_object(self.route),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in {"route", "positions"} & config.keys():
            if isinstance(config[name], dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
