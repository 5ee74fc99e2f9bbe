"""Layer normalisation with its gradient written out."""

import inspect

import keras
from keras import ops

from keras_perceiver_ar.fused import layer_norm

_KERAS_OPTIONS = inspect.signature(keras.layers.LayerNormalization).parameters.keys() - {
    "self",
    "epsilon",
    "kwargs",
}


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class LayerNormalization(keras.layers.LayerNormalization):
    """Keras' layer normalisation of the last axis, in float32 whatever the input is.

    What comes out is the same. The gradient is written out, because that which follows from the
    single operations keeps and moves several times as much: of the input, only the input itself is
    kept for it, with two numbers for each row.

    Args:
        epsilon: float. Added to the variance.

    Call arguments:
        inputs: (…, C).

    Returns:
        (…, C), in the layer's compute dtype.

    Raises:
        ValueError: an option of Keras' layer that this one does not have.

    Example:
        >>> LayerNormalization()(keras.ops.ones((2, 3, 32))).shape
        (2, 3, 32)
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        if wrong := sorted(_KERAS_OPTIONS & kwargs.keys()):
            raise ValueError(
                "This layer scales and shifts the last axis and knows no other way, as Keras' own "
                f"does. Received: {wrong}"
            )
        super().__init__(epsilon=epsilon, **kwargs)

    def build(self, input_shape):
        # Read as they are: under a mixed policy their gradients would be rounded to 8 bits.
        options = {"shape": (input_shape[-1],), "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.built = True

    def call(self, inputs):
        return normalize(ops.cast(inputs, self.compute_dtype), self.gamma, self.beta, self.epsilon)

    def get_config(self):
        base = keras.layers.Layer.get_config(self)
        return {**base, "epsilon": self.epsilon}


def normalize(x, gamma, beta, epsilon):
    """(x − mean) / √(variance + ε) · γ + β over the last axis.

    Args:
        x: (…, C).
        gamma: (C,).
        beta: (C,).
        epsilon: float.

    Returns:
        (…, C), dtype of `x`.
    """

    def forward(x, gamma, beta):
        wide = ops.cast(x, "float32")
        mean = ops.mean(wide, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(wide - mean), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + epsilon)
        normal = (wide - mean) * scale
        output = normal * ops.cast(gamma, "float32") + ops.cast(beta, "float32")

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            return _gradient(x, gamma, beta, mean, scale, epsilon, upstream)

        return ops.cast(output, x.dtype), gradient

    # TensorFlow takes no variables here; a reshape reads them.
    gamma, beta = ops.reshape(gamma, (-1,)), ops.reshape(beta, (-1,))
    return ops.custom_gradient(forward)(ops.convert_to_tensor(x), gamma, beta)


def _gradient(x, gamma, beta, mean, scale, epsilon, upstream):
    if layer_norm.can_run(x):
        of_x, *sums = layer_norm.layer_norm_gradient(x, gamma, epsilon, upstream)
        return of_x, *(ops.cast(part, gamma.dtype) for part in sums)
    # Every sum is a product with a vector, and what is as large as `x` is soon used up: on a CPU
    # the inputs of a long context are the largest arrays that there are.
    width, factor = x.shape[-1], ops.cast(gamma, "float32")
    upstream = ops.reshape(ops.cast(upstream, "float32"), (-1, width))
    mean, scale = ops.reshape(mean, (-1, 1)), ops.reshape(scale, (-1,))
    level = ops.matmul(upstream, factor) / width
    if keras.backend.backend() == "tensorflow":
        # Its executor would subtract the mean as soon as it has it, in the forward pass, and hold
        # the difference until now.
        mean = mean + 0.0 * level[:, None]
    centred = ops.reshape(ops.cast(x, "float32"), (-1, width)) - mean
    product = upstream * centred
    of_gamma, of_beta = ops.matmul(scale, product), ops.sum(upstream, axis=0)
    along = scale**3 * ops.matmul(product, factor) / width
    level = scale * level
    of_x = upstream * factor * scale[:, None] - centred * along[:, None] - level[:, None]
    of_x = ops.cast(ops.reshape(of_x, ops.shape(x)), x.dtype)
    return of_x, ops.cast(of_gamma, gamma.dtype), ops.cast(of_beta, beta.dtype)
