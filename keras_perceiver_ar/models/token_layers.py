"""Where tokens enter a model, and where it says which comes next."""

import keras

from keras_perceiver_ar.layers.feed_forward import fan_in_initializer


def make_token_embedding(vocab_size, width, dtype):
    """A built `Embedding` of V tokens in C channels, of deviation 1.

    Args:
        vocab_size: int. V.
        width: int. C.
        dtype: dtype policy.

    Returns:
        `keras.layers.Embedding`, whose gradient is summed in float32.
    """
    embedding = _Embedding(
        vocab_size,
        width,
        embeddings_initializer=keras.initializers.TruncatedNormal(stddev=1.0),
        name="token_embedding",
        dtype=dtype,
    )
    embedding.build((None, None))
    return embedding


class _Embedding(keras.layers.Embedding):
    """Keras' own, which means to look up in float32 and does not in all of its calls.

    It is no part of the mixed policy (`autocast=False`), but Keras asks that of a layer only within
    the call of another, and `stateless_call`, with which the JAX backend trains, is none: right
    below such a model the rows came out of a table in bfloat16, and the gradient of a byte that
    stands in a batch ten thousand times stood still after 256 of them.
    """

    def add_weight(self, *args, **kwargs):
        return super().add_weight(*args, **{**kwargs, "autocast": False})


def make_logits(vocab_size, width, dtype, zeros=True):
    """A built output layer. Logits are float32 whatever the rest is, unless they were quantised.

    Args:
        vocab_size: int. V.
        width: int. C.
        dtype: dtype policy of the model.
        zeros: bool. Whether it starts from zeros, and training so from the uniform distribution.

    Returns:
        `keras.layers.Dense`.
    """
    quantized = isinstance(dtype, keras.dtype_policies.DTypePolicyMap)
    logits = keras.layers.Dense(
        vocab_size,
        kernel_initializer="zeros" if zeros else fan_in_initializer(),
        name="logits",
        dtype=dtype.get("logits", "float32") if quantized else "float32",
    )
    logits.build((None, None, width))
    return logits
