"""A run whose data and model directory are in a bucket, in processes of its own."""

import re

import numpy as np
import pytest
import tensorflow as tf

from pipelines import checkpoints
from tests.pipelines import runs

STEPS = 12


@pytest.fixture
def books(storage, bucket, tmp_path):
    folder = runs.write_books(tmp_path / "books")
    for path in sorted(folder.rglob("*.txt")):
        storage.put(bucket, f"books/{path.relative_to(folder)}", path.read_bytes())
    return f"gs://{bucket}/books"


def start(bucket, books, name):
    flags = runs.text_flags(books, f"STEPS = {STEPS}")
    return runs.start("pipelines.train", *flags, f"--model_dir=gs://{bucket}/{name}")


def finish(process):
    status, out, err = runs.finish(process)
    assert status == 0, err
    return out


def values(model_dir, step):
    reader = tf.train.load_checkpoint(f"{model_dir}/ckpt-{step}")
    names = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names}


def assert_same_run(bucket, name, other):
    expected, actual = (values(f"gs://{bucket}/{run}", STEPS) for run in (name, other))
    assert expected.keys() == actual.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(actual[key], value, err_msg=key)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_goes_on_after_it_was_killed_and_in_spite_of_faults(storage, bucket, books):
    finish(start(bucket, books, "whole"))
    killed = start(bucket, books, "killed")
    # A checkpoint is written while the next loop runs, and is there when the one after is begun.
    runs.read_until(killed, "step 9/12")
    killed.kill()  # SIGKILL: it cannot put anything in order
    killed.communicate()
    assert storage.read(bucket, f"killed/ckpt-{STEPS}.index") is None
    out = finish(start(bucket, books, "killed"))
    assert re.search(r"step [369] of 12", out)
    assert_same_run(bucket, "whole", "killed")

    storage.take_counts()
    # Of the requests about names and sizes too, and the first five uploads.
    kinds = ("read", "stat", "list", "delete", "copy")
    storage.set_faults(seed=1, unavailable=0.05, cut=0.05, kinds=kinds, broken_uploads=5)
    finish(start(bucket, books, "faults"))
    counts = storage.take_counts()
    assert counts["unavailable"] and counts["cut"] and counts["broken_upload"] == 5
    storage.set_faults()
    assert_same_run(bucket, "whole", "faults")


@pytest.fixture
def run(bucket):
    """A model directory in a bucket with checkpoints of steps 1 and 2, and the variable in them."""
    variable = tf.Variable(0.0)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(value=variable), f"gs://{bucket}/run", max_to_keep=9
    )
    for step in (1, 2):
        variable.assign(step)
        manager.save(step)
    return f"gs://{bucket}/run", variable


def restore(folder, variable):
    checkpoint = tf.train.Checkpoint(value=variable)
    manager = checkpoints.CheckpointManager(checkpoint, folder, max_to_keep=9)
    return manager.restore_or_initialize()


def test_the_newest_checkpoint_comes_back(run):
    folder, variable = run
    variable.assign(0.0)
    assert restore(folder, variable) == f"{folder}/ckpt-2"
    assert variable.numpy() == 2


@pytest.mark.parametrize("lost", ["index", "data-00000-of-00001"])
def test_a_checkpoint_that_lost_a_file_is_passed_over(run, storage, bucket, lost):
    folder, variable = run
    storage.delete(bucket, f"run/ckpt-2.{lost}")
    assert restore(folder, variable) == f"{folder}/ckpt-1"
    assert variable.numpy() == 1


def test_a_torn_checkpoint_is_set_aside(run, storage, bucket, capsys):
    folder, variable = run
    name = "run/ckpt-2.data-00000-of-00001"
    storage.put(bucket, name, storage.read(bucket, name)[:2])
    assert restore(folder, variable) == f"{folder}/ckpt-1"
    assert variable.numpy() == 1
    assert f"warning: checkpoint {folder}/ckpt-2 is torn" in capsys.readouterr().err
    assert storage.read(bucket, "run/ckpt-2.index.torn")
