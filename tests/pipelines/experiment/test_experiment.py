"""What experiments say of the model that is kept of them: its set, its weights, its rows."""

import pytest

import gin
from pipelines.experiment import catalogue, table
from tests.pipelines.experiment import (
    npy_sets,
    test_copy_experiment,
    test_document_experiments,
    test_orders_experiment,
    test_piano_experiment,
)


@pytest.fixture(autouse=True)
def clear():
    yield gin.clear_config()
    gin.clear_config()


def make(name, folder, *lines):
    file = npy_sets.write_gin(folder / "gin", *lines).partition("=")[2]
    return catalogue.make(name, "cpu", [file], [])


def kept(experiment, rows):
    """Numbers of the rows that are of the model."""
    rows = [{**row, "number": number} for number, row in enumerate(rows)]
    return [row["number"] for row in experiment.kept_rows(rows)]


def test_of_copies_it_is_the_last_stage(tmp_path):
    experiment = make("copy", tmp_path, *test_copy_experiment.SMALL)
    rows = [{"stage": "16"}, {"stage": "32"}, {"stage": "32"}]
    assert experiment.sets == {} and kept(experiment, rows) == [1, 2]
    assert experiment.kept_weights(tmp_path / "copy").name == "copy_16"
    table.Table(tmp_path / "copy.csv").add(rows)
    assert experiment.kept_weights(tmp_path / "copy").name == "copy_32"


def test_of_latents_it_is_measured_with_those_of_training(tmp_path):
    books = npy_sets.make_books(tmp_path)
    small = (*test_document_experiments.MODEL, *test_document_experiments.SETTINGS["latents_books"])
    experiment = make("latents_books", tmp_path, f"DATA = '{books}'", *small)
    assert experiment.sets == {"data": books}
    assert kept(experiment, [{"latents": "2"}, {"latents": "4"}, {"latents": "16"}]) == [1]
    assert experiment.kept_weights(tmp_path / "latents_books").name == "latents_books"


def test_of_orders_it_is_the_first_one_and_seed(tmp_path):
    sets = {
        "RASTER": npy_sets.make_images(tmp_path, "raster"),
        "PERMUTED": npy_sets.make_images(tmp_path, "own", list(range(47, -1, -1))),
        "RGB": "unused",
    }
    data = [f"{name} = '{folder}'" for name, folder in sets.items()]
    folders = "OrdersExperiment.folders = {'permuted': %PERMUTED, 'raster': %RASTER}"
    seeds = "OrdersExperiment.seeds = (3, 0)"
    small = test_orders_experiment.SMALL
    experiment = make("orders", tmp_path, *data, *small, folders, seeds)
    folders = [("permuted", sets["PERMUTED"]), ("raster", sets["RASTER"])]
    assert list(experiment.sets.items()) == folders
    rows = [
        {"order": order, "seed": seed, **positions}
        for order in ("raster", "permuted")
        for seed in ("0", "3")
        for positions in ({}, {"positions": "own"}, {"positions": "target"})
    ]
    assert kept(experiment, rows) == [9, 10]
    assert experiment.kept_weights(tmp_path / "orders").name == "orders_permuted_3"


def test_of_piano_it_is_the_first_seed(tmp_path):
    music, seeds = npy_sets.make_music(tmp_path), "PianoExperiment.seeds = (3, 0)"
    small = test_piano_experiment.SMALL
    experiment = make("piano", tmp_path, f"DATA = '{music}'", *small, seeds)
    rows = [
        {"part": "likelihood", "seed": "0"},
        {"part": "likelihood", "seed": "3"},
        {"part": "statistics", "seed": ""},
    ]
    assert experiment.sets == {"data": music} and kept(experiment, rows) == [1]
    assert experiment.kept_weights(tmp_path / "piano").name == "piano_3"
