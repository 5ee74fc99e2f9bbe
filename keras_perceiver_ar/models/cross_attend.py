"""Settings of the cross-attends."""

import dataclasses

import keras

from keras_perceiver_ar.attention import AttentionRoute
from keras_perceiver_ar.checks import check_flags, check_kind
from keras_perceiver_ar.options import Options


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
@dataclasses.dataclass(frozen=True)
class CrossAttend(Options):
    """How the latents of a `PerceiverARBackbone` read its inputs.

    Args:
        num_heads: int or None. None is the backbone's (`num_cross_attend_heads`).
        width: int or None. H · D; None is the backbone's `input_width`, the original's shape 'kv';
            the backbone's `width` is its 'q'.
        mlp_factor: number or None. Hidden width of the MLP over that of the latents; None is the
            backbone's (`cross_attend_widening_factor`).
        initial: bool. Whether there is a cross-attend before the latent stack
            (`include_initial_cross_attention`).
        after_layers: tuple of int. Latent blocks, counted from 0, after which the latents read the
            inputs once more (`additional_cross_attend_after_layers`).
        query_residual: bool. Whether what was read is added to the latents or takes their place
            (`encoder_use_query_residual`).
        route: `AttentionRoute` or None. How the attention is computed.
    """

    num_heads: int | None = None
    width: int | None = None
    mlp_factor: float | None = None
    initial: bool = True
    after_layers: tuple = ()
    query_residual: bool = True
    route: AttentionRoute | None = None

    def __post_init__(self):
        check_flags(initial=self.initial, query_residual=self.query_residual)
        check_kind(AttentionRoute, route=self.route)
        object.__setattr__(self, "after_layers", tuple(sorted(self.after_layers)))

    def get_config(self):
        """Every field by its name."""
        return super().get_config() | {"route": keras.saving.serialize_keras_object(self.route)}

    @classmethod
    def from_config(cls, config):
        """The options of a `get_config`."""
        route = keras.saving.deserialize_keras_object(config["route"])
        return cls(**(config | {"route": route}))
