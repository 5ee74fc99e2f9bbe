"""What the latents start from, before they have read anything."""

import keras
from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.layers.feed_forward import (
    fan_in_initializer,
    get_activation,
    squared_relu,
)
from keras_perceiver_ar.quantization import saved_dtype

STYLES = ("input", "mlp", "learned", "shared")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class InitialLatents(keras.layers.Layer):
    """Makes the queries of the first cross-attend from the inputs on which the latents sit.

    Args:
        width: int. C.
        style: "input" projects the embedded input, "mlp" passes that through an MLP, "learned" has
            a weight for each latent, "shared" one for all (`initial_query_embed_style` none, mlp,
            learned, and learned with `share_learned_initial_query`).
        num_latents: int or None. N, which "learned" needs. Fewer latents take the last of its
            weights, as the latents of a short row do.
        latents_per_position: int. n. With more than one, each latent of a position is told apart
            by a code that is added (`num_latents_per_position`).
        num_mlp_layers: int. Layers of the MLP, all of width C, each followed by the activation
            (`initial_query_embed_num_layers`).
        mlp_activation: name or function (`initial_query_embed_activation_name`).

    Call arguments:
        inputs: (B, U, Cᵢ), the embedded inputs on U positions.

    Returns:
        (B, U · n, C).

    Raises:
        ValueError: an unknown style, sizes that are none, more latents than a learned table has.

    Example:
        >>> InitialLatents(32)(keras.ops.ones((2, 5, 24))).shape
        (2, 5, 32)
    """

    def __init__(
        self,
        width,
        style="input",
        num_latents=None,
        latents_per_position=1,
        num_mlp_layers=2,
        mlp_activation=squared_relu,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if style not in STYLES:
            raise ValueError(f"`style` must be one of {STYLES}. Received: style={style!r}")
        check_sizes(
            width=width, latents_per_position=latents_per_position, num_mlp_layers=num_mlp_layers
        )
        if style == "learned":
            check_sizes(num_latents=num_latents)
        self.width = width
        self.style = style
        self.num_latents = num_latents
        self.latents_per_position = latents_per_position
        self.num_mlp_layers = num_mlp_layers
        self.mlp_activation = get_activation(mlp_activation)

    def build(self, inputs_shape):
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.projection = self.learned = self.position_code = None
        if self.style in ("input", "mlp"):
            self.projection = self._dense("projection", inputs_shape)
            for index in range(self.num_mlp_layers if self.style == "mlp" else 0):
                # An attribute each: `tf.train.Checkpoint` passes over lists of layers in silence.
                name = f"mlp_{index}"
                setattr(self, name, self._dense(name, (*inputs_shape[:-1], self.width)))
        else:
            rows = self.num_latents if self.style == "learned" else 1
            self.learned = self.add_weight(
                name="learned", shape=(rows, self.width), initializer=initializer
            )
        if self.latents_per_position > 1:
            shape = (self.latents_per_position, self.width)
            self.position_code = self.add_weight(
                name="position_code", shape=shape, initializer=initializer
            )
        self.built = True

    def _dense(self, name, inputs_shape):
        layer = keras.layers.Dense(
            self.width,
            kernel_initializer=fan_in_initializer(),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build(inputs_shape)
        return layer

    @property
    def mlp_layers(self):
        """The `Dense` layers of the MLP; empty unless the style is "mlp"."""
        count = self.num_mlp_layers if self.style == "mlp" else 0
        return [getattr(self, f"mlp_{index}") for index in range(count)]

    def call(self, inputs):
        batch, positions = ops.shape(inputs)[0], ops.shape(inputs)[1]
        number = positions * self.latents_per_position
        if self.projection is not None:
            latents = self.projection(inputs)
            latents = masks.repeat_latents(latents, self.latents_per_position)
        else:
            rows = ops.cast(self.learned, self.compute_dtype)
            if self.style == "learned":
                if inputs.shape[1] is not None and number > self.num_latents:
                    raise ValueError(
                        f"There are {self.num_latents} learned latents. Received: {number}"
                    )
                rows = rows[self.num_latents - number :]
            latents = ops.broadcast_to(rows, (batch, number, self.width))
        if self.position_code is not None:
            code = ops.cast(self.position_code, self.compute_dtype)
            latents = latents + ops.tile(code, (positions, 1))
        for layer in self.mlp_layers:
            latents = self.mlp_activation(layer(latents))
        return latents

    def compute_output_shape(self, inputs_shape):
        positions = inputs_shape[1]
        number = None if positions is None else positions * self.latents_per_position
        return (inputs_shape[0], number, self.width)

    def get_config(self):
        return {
            **super().get_config(),
            "dtype": saved_dtype(self),
            "width": self.width,
            "style": self.style,
            "num_latents": self.num_latents,
            "latents_per_position": self.latents_per_position,
            "num_mlp_layers": self.num_mlp_layers,
            "mlp_activation": keras.activations.serialize(self.mlp_activation),
        }
