"""The module that measures on Keras' backend."""

import importlib

from pipelines.errors import UserError

SUPPORTED = ("jax", "tensorflow")


def load():
    """The backend's module: `jax_backend` or `tensorflow_backend`.

    Returns:
        (its name, module).

    Raises:
        UserError: a backend that is not installed, or that nothing is written for.
    """
    try:
        import keras
    except ImportError as error:
        raise UserError(
            f"Keras cannot load its backend ({error}): set KERAS_BACKEND to one that is "
            f"installed, of {', '.join(SUPPORTED)}"
        ) from error
    name = keras.backend.backend()
    if name not in SUPPORTED:
        raise UserError(f"KERAS_BACKEND must be one of {', '.join(SUPPORTED)}, got {name!r}")
    return name, importlib.import_module(f"pipelines.benchmark.{name}_backend")
