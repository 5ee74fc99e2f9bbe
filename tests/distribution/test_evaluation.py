"""One, two and three replicas, and two processes, evaluate every target once and find the same."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.distribution import evaluation_worker
from tests.distribution.test_replicas import check_same, flat
from tests.pipelines import runs

pytestmark = pytest.mark.slow

WORKER = pathlib.Path(evaluation_worker.__file__)
STRATEGIES = {
    "one": ("one_device", 1),
    "mirrored 2": ("mirrored", 2),
    "mirrored 3": ("mirrored", 3),
    "workers 2": ("multi_worker_mirrored", 2),
}
MANY = [name for name in STRATEGIES if name != "one"]
SIZES = (41, 3, 100, 1, 17)  # of documents, in bytes


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Sums and figures of each strategy."""
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "books" / "test").mkdir(parents=True)
    for number, size in enumerate(SIZES):
        (folder / "books" / "test" / f"{number}.txt").write_text(("word " * size)[: size - 1] + ".")
    started = [
        subprocess.Popen(
            [
                sys.executable,
                str(WORKER),
                kind,
                str(replicas),
                str(folder / "books"),
                folder / name,
            ],
            env={**os.environ, "PYTHONPATH": str(runs.ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name, (kind, replicas) in STRATEGIES.items()
        for environment in (runs.cluster() if kind == "multi_worker_mirrored" else [{}])
    ]
    for process in started:
        status, _, err = runs.finish(process)
        assert status == 0, err
    return {
        name: (
            dict(np.load(folder / f"{name}.npz")),
            json.loads((folder / f"{name}.json").read_text()),
        )
        for name in STRATEGIES
    }


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_target_is_dropped_or_repeated(outputs, name):
    sums, figures = outputs[name]
    targets = {"books": [size + 1 for size in SIZES], "copy": [6] * 7}
    assert len(figures) == len(evaluation_worker.CASES)
    for key, found in figures.items():
        wanted = targets[key.split(" ")[0]]
        assert sums[f"{key} document_labels"].tolist() == wanted
        assert sums[f"{key} labels"] == found["targets"] == sum(wanted)
        for by in ("position", "latent"):
            assert sum(row["targets"] for row in found[f"loss_by_{by}"]) == sum(wanted)


@pytest.mark.parametrize("name", MANY)
def test_sums_are_those_of_one_device(outputs, name):
    (one, _), (many, _) = outputs["one"], outputs[name]
    assert one.keys() == many.keys() and len(one) == 12 * len(evaluation_worker.CASES)
    for key, value in one.items():
        if key.endswith("loss"):
            np.testing.assert_allclose(many[key], value, rtol=1e-6, atol=0, err_msg=key)
        else:
            np.testing.assert_array_equal(many[key], value, key)


@pytest.mark.parametrize("name", MANY)
def test_figures_are_those_of_one_device(outputs, name):
    one, many = (flat(outputs[which][1]) for which in ("one", name))
    # An interval's width is of differences between documents, and so less sure than a sum.
    of_interval = {key for key in one if "/ci95/" in key}
    assert len(of_interval) == 2 * len(evaluation_worker.CASES)
    check_same(many, {key: one[key] for key in of_interval}, 1e-5)
    check_same(many, {key: value for key, value in one.items() if key not in of_interval}, 1e-6)
    assert many.keys() == one.keys()
