"""Where tokens enter a model, and where it says which comes next."""

import keras

from keras_perceiver_ar.layers.feed_forward import fan_in_initializer


def make_token_embedding(vocab_size, width, dtype):
    """A built `Embedding` of V tokens in C channels, of deviation 1.

    Args:
        vocab_size: int. V.
        width: int. C.
        dtype: dtype policy of the model. Under a mixed one the rows come in float32.

    Returns:
        `keras.layers.Embedding`.
    """
    embedding = keras.layers.Embedding(
        vocab_size,
        width,
        embeddings_initializer=keras.initializers.TruncatedNormal(stddev=1.0),
        name="token_embedding",
        dtype=_variables_own(keras.dtype_policies.get(dtype)),
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


def _variables_own(policy):
    """What computes in the dtype of its variables; what is quantised stays so.

    The gradient of a row that a thousand inputs share is then a sum in float32: in bfloat16 such a
    sum stands still at 256 times what is added. Keras means to do so (`autocast=False`), but asks
    for that only within the call of another layer, and `stateless_call`, with which its JAX backend
    trains, is none. LoRA casts the table too.
    """
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        policies = dict(policy.items())
        return keras.dtype_policies.DTypePolicyMap(_variables_own(policy.default_policy), policies)
    if policy.quantization_mode is not None:
        return policy
    return keras.dtype_policies.DTypePolicy(policy.variable_dtype)
