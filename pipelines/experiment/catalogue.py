"""The experiments by name, and how one is made from gin."""

import importlib
import pathlib

import gin
from pipelines import gin_reading
from pipelines.gin_checks import check_used

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
_SETTINGS = _REPOSITORY / "gin" / "runs" / "experiments"
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
SIZES = ("cpu", "h200")


def make(name, size, files, bindings):
    """The experiment of a name, as its own gin file, further ones and bindings say.

    Args:
        name: str, one of `NAMES`.
        size: str, one of `SIZES`.
        files: list of str, which come after the experiment's own.
        bindings: list of str, which come after the files and must have an effect.

    Raises:
        UserError: a file that is not there, settings that are missing, unknown or refused.
    """
    module, kind = _PLACES[name]
    importlib.import_module("pipelines.experiment.language")  # for gin to know it
    configurable = getattr(importlib.import_module(f"pipelines.experiment.{module}"), kind)
    own = _SETTINGS / f"{name}_{size}.gin"
    gin.add_config_file_search_path(str(_REPOSITORY))
    gin_reading.parse([str(own), *files], bindings)
    experiment = gin_reading.make(configurable)
    experiment.check()
    check_used(bindings)
    return experiment
