"""Where the kernels run."""

import keras

if keras.backend.backend() == "jax":
    import jax


def is_jax_gpu():
    """Whether Keras computes by JAX on a GPU."""
    return keras.backend.backend() == "jax" and jax.default_backend() == "gpu"


def is_jax_cpu():
    """Whether Keras computes by JAX on a CPU."""
    return keras.backend.backend() == "jax" and jax.default_backend() == "cpu"
