"""Two replicas of one process, and two processes, do what one device does."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from pipelines.data import CopyTask
from tests.pipelines import runs

pytestmark = pytest.mark.slow

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored")
MANY = STRATEGIES[1:]
WORKER = pathlib.Path(__file__).with_name("replicas_worker.py")
CONFIGURATIONS = [("sgd", "sum"), ("sgd", "mean"), ("adam", "sum")]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Path of what each strategy's process has written."""
    folder = tmp_path_factory.mktemp("replicas")
    flags = runs.copy_flags("CopyTask.evaluation_examples = 7")
    runs.save_untrained(folder / "run", flags, scale=0.5)
    started = [
        subprocess.Popen(
            [sys.executable, str(WORKER), name, str(folder / "run"), str(folder / f"{name}.npz")],
            env={**os.environ, "PYTHONPATH": str(runs.ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name, environments in zip(STRATEGIES, ([{}], [{}], runs.cluster()))
        for environment in environments
    ]
    for process in started:
        status, _, err = runs.finish(process)
        assert status == 0, err
    return {name: folder / f"{name}.npz" for name in STRATEGIES}


@pytest.fixture(scope="module")
def trained(outputs):
    return {name: dict(np.load(path)) for name, path in outputs.items()}


def test_the_replicas_hold_different_numbers_of_labels():
    # Else a mean over each replica's own labels would pass for the mean over all of them.
    dataset = CopyTask(length=8, min_crop=1).train_dataset(8, 4, seed=0)
    counts = np.stack([np.count_nonzero(labels, axis=1) for _, labels in dataset.take(5)])
    assert all(first != second for first, second in counts.reshape(5, 2, 2).sum(-1))


@pytest.mark.parametrize(("name", "number"), [("mirrored", 1), ("multi_worker_mirrored", 2)])
@pytest.mark.parametrize("kind", ["train", "evaluation"])
def test_the_same_global_batches_are_read(outputs, name, number, kind):
    def read(name, worker):
        path = outputs[name]
        return np.load(path.with_name(f"{path.name}.rows{worker}.npz"))[kind]

    shares = [read(name, worker) for worker in range(number)]
    one = read("one_device", 0)
    assert one.shape == (3, 4, 8)
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), one)


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize(("optimizer", "normalization"), CONFIGURATIONS)
def test_weights_after_twenty_steps_are_the_same(trained, many, optimizer, normalization):
    prefix = f"{optimizer}/{normalization}:"
    one, two = trained["one_device"], trained[many]
    weights = [name for name in one if name.startswith(f"{prefix}weight:")]
    assert len(weights) > 20 and one.keys() == two.keys()
    if optimizer == "adam":
        # The gradient of a key's bias is zero but for rounding, and Adam makes steps of it.
        kept = [name for name in weights if not name.endswith("key/bias")]
        assert len(weights) - len(kept) == 2
        weights = kept
    tolerance = {"sgd": 1e-6, "adam": 1e-5}[optimizer]
    for name in weights:
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize(("optimizer", "normalization"), CONFIGURATIONS)
def test_the_log_is_the_same_and_gradients_are_clipped(trained, many, optimizer, normalization):
    prefix = f"{optimizer}/{normalization}:"
    one, two = trained["one_device"], trained[many]
    assert len(one[f"{prefix}loss"]) == 20
    for key in ("labels", "accuracy"):
        np.testing.assert_array_equal(two[prefix + key], one[prefix + key], key)
    for key in ("loss", "gradient_norm"):
        np.testing.assert_allclose(two[prefix + key], one[prefix + key], rtol=1e-6, err_msg=key)
    assert one[f"{prefix}gradient_norm"].min() > {"sum": 1.0, "mean": 0.05}[normalization]


@pytest.mark.parametrize("many", MANY)
def test_evaluation_gives_the_same_figures(outputs, many):
    one, two = (
        json.loads(outputs[name].with_name(f"{name}.npz.json").read_text())
        for name in ("one_device", many)
    )
    assert one["targets"] == 7 * 4
    # What a replica computes of two rows is not to the last bit what one device does of four.
    one, two = flat(one), flat(two)
    assert two.keys() == one.keys()
    check_same(two, one, 1e-6)


def flat(figures, name=""):
    """Every number of nested figures by where it is."""
    if isinstance(figures, dict | list):
        items = figures.items() if isinstance(figures, dict) else enumerate(figures)
        parts = [flat(value, f"{name}/{key}") for key, value in items]
        return {key: value for part in parts for key, value in part.items()}
    return {name: figures}


def check_same(found, wanted, tolerance):
    """Numbers within a relative tolerance, and everything else the same."""
    for key, value in wanted.items():
        if isinstance(value, float):
            value = pytest.approx(value, rel=tolerance)
        assert found[key] == value, key


@pytest.fixture(scope="module")
def dropout(outputs):
    path = outputs["mirrored"]
    return json.loads(path.with_name(f"{path.name}.dropout").read_text())


def test_dropout_differs_between_replicas_and_steps(dropout):
    assert sorted(dropout["first"]) == ["0,0", "0,1", "1,0", "1,1", "2,0", "2,1"]
    assert len(set(dropout["first"].values())) == 6


def test_dropout_is_the_same_for_the_same_seed_step_and_replica(dropout):
    shared = dropout["first"].keys() & dropout["again"].keys()
    assert sorted(shared) == ["1,0", "1,1", "2,0", "2,1"]
    for place in shared:
        assert dropout["again"][place] == dropout["first"][place], place


@pytest.mark.parametrize("model", ["perceiver", "decoder", "xl"])
def test_keras_own_fit_trains_two_replicas(model):
    """It builds on the mean of the replicas' batches, in which ids are floats."""
    command = [sys.executable, str(WORKER.with_name("fit_worker.py")), model]
    environment = {**os.environ, "PYTHONPATH": str(runs.ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
