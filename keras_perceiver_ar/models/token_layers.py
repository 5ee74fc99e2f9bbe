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
        `keras.layers.Embedding`.
    """
    embedding = keras.layers.Embedding(
        vocab_size,
        width,
        embeddings_initializer=keras.initializers.TruncatedNormal(stddev=1.0),
        name="token_embedding",
        dtype=dtype,
    )
    embedding.build((None, None))
    return embedding


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
