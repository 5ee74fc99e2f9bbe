"""The settings of the larger size, which no test trains, make models."""

import pytest

import gin
from pipelines.experiment import catalogue
from tests.pipelines.experiment import npy_sets


@pytest.fixture
def without_settings():
    gin.clear_config()
    yield
    gin.clear_config()


def test_orders(tmp_path, without_settings):
    sets = {
        "RASTER": npy_sets.make_images(tmp_path, "raster"),
        "RGB": npy_sets.make_images(tmp_path, "rgb", "rgb"),
        "PERMUTED": npy_sets.make_images(tmp_path, "own", list(range(47, -1, -1))),
    }
    bindings = [f"{name} = '{folder}'" for name, folder in sets.items()]
    # The images of this test have no room for as many latents.
    experiment = catalogue.make(
        "orders",
        "h200",
        [],
        [*bindings, "OrdersExperiment.num_latents = 16"],
    )
    backbone = experiment.models.make_model(12288, 1024, seed=0).backbone
    assert (backbone.width, backbone.num_layers, backbone.max_context) == (512, 8, 12288)


def test_piano(tmp_path, without_settings):
    music = npy_sets.make_music(tmp_path)
    # Nor have its performances as many events, or are there as many.
    experiment = catalogue.make(
        "piano",
        "h200",
        [],
        [
            f"DATA = '{music}'",
            "PianoExperiment.primers = 1",
            "PianoExperiment.primer_events = 8",
        ],
    )
    backbone = experiment.models.make_model(experiment.context, experiment.num_latents, 0).backbone
    assert (backbone.width, backbone.num_layers, backbone.max_context) == (512, 8, 4096)
    assert (backbone.dropout_rates.outputs, backbone.dropout_rates.inputs) == (0.1, 0.5)
