"""Settings of what the latents start from."""

import dataclasses
from collections.abc import Callable

import keras

from keras_perceiver_ar.checks import check_flags
from keras_perceiver_ar.layers.feed_forward import get_activation, squared_relu
from keras_perceiver_ar.options import Options


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
@dataclasses.dataclass(frozen=True)
class LatentQuery(Options):
    """What the latents of a `PerceiverARBackbone` start from.

    Args:
        style: "input", "mlp", "learned" or "shared": see `kpar.layers.InitialLatents`.
        latents_per_position: int. n (`num_latents_per_position`). N latents then sit on U = N / n
            inputs and make U predictions.
        num_mlp_layers: int (`initial_query_embed_num_layers`).
        mlp_activation: name or function (`initial_query_embed_activation_name`).
        offset: bool. Gives the latents the position of the input that they predict instead of the
            last one they see (`initial_query_offsetting`).
    """

    style: str = "input"
    latents_per_position: int = 1
    num_mlp_layers: int = 2
    mlp_activation: Callable | str = squared_relu
    offset: bool = False

    def __post_init__(self):
        check_flags(offset=self.offset)
        object.__setattr__(self, "mlp_activation", get_activation(self.mlp_activation))

    def get_config(self):
        """Every field by its name."""
        activation = keras.activations.serialize(self.mlp_activation)
        return super().get_config() | {"mlp_activation": activation}
