"""The MLP of every block."""

import keras
from keras import ops

from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.quantization import saved_dtype


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
def squared_relu(x):
    """max(x, 0)², the activation of the released settings (So et al., arXiv 2109.08668)."""
    return ops.square(ops.relu(x))


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
def gelu_tanh(x):
    """GELU by its tanh approximation, as JAX and the original mean it."""
    return ops.gelu(x, approximate=True)


def fan_in_initializer():
    """Truncated normal of deviation √(1/fan in) after truncation, as Haiku's Linear has."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class FeedForward(keras.layers.Layer):
    """Dense up, activation, dense down.

    Args:
        hidden_width: int. Width between the two.
        width: int or None. Width of the output; None is that of the input.
        activation: name or function.

    Call arguments:
        x: (B, S, C).

    Returns:
        (B, S, width).
    """

    def __init__(self, hidden_width, width=None, activation=squared_relu, **kwargs):
        super().__init__(**kwargs)
        check_sizes(hidden_width=hidden_width)
        self.hidden_width = hidden_width
        self.width = width
        self.activation = get_activation(activation)

    def build(self, x_shape):
        dense = {"dtype": self.dtype_policy, "kernel_initializer": fan_in_initializer()}
        self.up = keras.layers.Dense(self.hidden_width, name="up", **dense)
        self.up.build(x_shape)
        self.down = keras.layers.Dense(self.width or x_shape[-1], name="down", **dense)
        self.down.build((*x_shape[:-1], self.hidden_width))
        self.built = True

    def call(self, x):
        return self.down(self.activation(self.up(x)))

    def enable_lora(self, rank, **kwargs):
        """Freezes both layers and trains a product of low rank beside each (as `Dense` does)."""
        for dense in (self.up, self.down):
            dense.enable_lora(rank, **kwargs)

    def quantize(self, mode, **kwargs):
        """Quantises both layers, as `keras.layers.Dense.quantize` does."""
        for dense in (self.up, self.down):
            dense.quantize(mode, **kwargs)

    def compute_output_shape(self, x_shape):
        return (*x_shape[:-1], self.width or x_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "dtype": saved_dtype(self),
            "hidden_width": self.hidden_width,
            "width": self.width,
            "activation": keras.activations.serialize(self.activation),
        }


def get_activation(activation):
    """`keras.activations.get`, which knows "squared_relu" and "gelu_tanh" as well."""
    own = {"squared_relu": squared_relu, "gelu_tanh": gelu_tanh}
    if isinstance(activation, str) and activation in own:
        return own[activation]
    return keras.activations.get(activation)
