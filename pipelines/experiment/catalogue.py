"""The experiments by name, and how one is made from gin."""

import importlib

from pipelines import gin_reading
from pipelines.gin_checks import check_used

# Module and class.
_PLACES = {
    "copy": ("copy_experiment", "CopyExperiment"),
    "context": ("context_experiment", "ContextExperiment"),
    "baselines": ("baselines_experiment", "BaselinesExperiment"),
    "latents_books": ("latents_experiment", "LatentsExperiment"),
    "latents_images": ("latents_experiment", "LatentsExperiment"),
    "orders": ("orders_experiment", "OrdersExperiment"),
    "piano": ("piano_experiment", "PianoExperiment"),
}
NAMES = tuple(_PLACES)


def make(name, files, bindings):
    """The experiment of a name, as gin files and bindings say.

    Args:
        name: str, one of `NAMES`.
        files: list of str.
        bindings: list of str, which come after the files and must have an effect.

    Raises:
        UserError: a file that is not there, settings that are missing, unknown or refused.
    """
    module, kind = _PLACES[name]
    importlib.import_module("pipelines.experiment.language")  # for gin to know it
    configurable = getattr(importlib.import_module(f"pipelines.experiment.{module}"), kind)
    gin_reading.parse(files, bindings)
    experiment = gin_reading.make(configurable)
    experiment.check()
    check_used(bindings)
    return experiment
