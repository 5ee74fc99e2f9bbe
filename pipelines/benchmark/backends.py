"""The module that measures on Keras' backend."""

import contextlib
import importlib
import re

from pipelines.benchmark.memory import OutOfMemory
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
    # A ValueError is Keras' word for a name that it never heard of.
    except (ImportError, ValueError) as error:
        raise UserError(
            f"Keras cannot load its backend ({error}): set KERAS_BACKEND to one that is "
            f"installed, of {', '.join(SUPPORTED)}"
        ) from error
    name = keras.backend.backend()
    if name not in SUPPORTED:
        raise UserError(f"KERAS_BACKEND must be one of {', '.join(SUPPORTED)}, got {name!r}")
    return name, importlib.import_module(f"pipelines.benchmark.{name}_backend")


@contextlib.contextmanager
def limits(backend):
    """Around all that builds or runs a model: says in one line what the machine cannot do.

    Args:
        backend: module, of `load`.

    Raises:
        UserError: the fused kernel cannot run here.
        OutOfMemory: the device's memory, or the machine's, is too small.
    """
    try:
        with backend.out_of_memory(), _refused_route():
            yield
    except MemoryError as error:
        raise OutOfMemory(str(error) or "the machine's own memory is used up") from error


@contextlib.contextmanager
def _refused_route():
    """Says in one line why the fused kernel cannot run: it is found out while a model is traced."""
    try:
        yield
    except ValueError as error:
        # Keras wraps the message in the arguments of every layer on the way.
        reason = re.search(r"The fused kernel cannot run here: ([^\n]+?)\. Choose", str(error))
        if reason is None:
            raise
        raise UserError(f"--attention=fused cannot be had here: {reason[1]}") from error
