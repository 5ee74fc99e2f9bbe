"""Saving, damage of every kind, and going on."""

import random

import numpy as np
import pytest
import tensorflow as tf

from pipelines import checkpoints
from pipelines.checkpoints.weights import Torn, restore
from pipelines.errors import RunError, UserError
from tests.pipelines import runs

ASYNCHRONOUS = tf.train.CheckpointOptions(enable_async=True)


def make(folder, **kwargs):
    """A manager of two variables."""
    parts = {"model": {"a/b": tf.Variable(tf.zeros((64, 64))), "c": tf.Variable(0)}}
    checkpoint = tf.train.Checkpoint(**parts, step=tf.Variable(0, dtype=tf.int64))
    kwargs = {"max_to_keep": 9, "step_counter": checkpoint.step, "checkpoint_interval": 1} | kwargs
    return checkpoint, checkpoints.CheckpointManager(checkpoint, str(folder), **kwargs)


def save(folder, steps, options=None):
    checkpoint, manager = make(folder)
    for step in steps:
        checkpoint.model["a/b"].assign(tf.random.stateless_normal((64, 64), (step, 0)))
        checkpoint.model["c"].assign(step)
        checkpoint.step.assign(step)
        manager.save(step, options=options)
    manager.sync()


def damage(path, seed):
    """Cuts a file off, or turns one of its bits."""
    content, generator = bytearray(path.read_bytes()), random.Random(seed)
    if seed % 3 == 0:
        content = content[: generator.randrange(len(content))]
    else:
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_whatever_happens_to_a_file_nothing_wrong_is_read(tmp_path, part):
    save(tmp_path, [3])
    path = tmp_path / f"ckpt-3.{part}"
    content = path.read_bytes()
    checkpoint, _ = make(tmp_path)
    kinds = set()
    for seed in range(60):
        path.write_bytes(content)
        damage(path, seed)
        try:
            restore(checkpoint, str(tmp_path / "ckpt-3"))
        except Torn:
            kinds.add("torn")
        else:  # a bit that no value depends on
            expected = tf.random.stateless_normal((64, 64), (3, 0))
            np.testing.assert_array_equal(checkpoint.model["a/b"], expected)
            assert (int(checkpoint.model["c"]), int(checkpoint.step)) == (3, 3)
            kinds.add("read")
    assert "torn" in kinds


@pytest.mark.parametrize("options", [None, ASYNCHRONOUS], ids=["at once", "asynchronous"])
def test_the_newest_that_is_whole_is_gone_on_from(tmp_path, capsys, options):
    save(tmp_path, [3, 6, 9], options)
    damage(tmp_path / "ckpt-9.data-00000-of-00001", 0)
    damage(tmp_path / "ckpt-6.index", 1)
    checkpoint, manager = make(tmp_path)
    assert manager.restore_or_initialize() == str(tmp_path / "ckpt-3")
    assert int(checkpoint.step) == 3
    assert capsys.readouterr().err.count("warning: ") == 2
    assert checkpoints.whole_checkpoints(str(tmp_path)) == [str(tmp_path / "ckpt-3")]
    assert (tmp_path / "ckpt-9.index.torn").exists()
    checkpoint.step.assign(6)
    manager.save(6)
    assert make(tmp_path)[1].restore_or_initialize() == str(tmp_path / "ckpt-6")


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_file_that_is_missing_takes_its_checkpoint_with_it(tmp_path, part):
    save(tmp_path, [3, 6])
    (tmp_path / f"ckpt-6.{part}").unlink()
    assert make(tmp_path)[1].restore_or_initialize() == str(tmp_path / "ckpt-3")


def test_only_a_run_of_torn_checkpoints_is_refused(tmp_path):
    save(tmp_path, [3, 6])
    for path in tmp_path.glob("*.index"):
        damage(path, 0)
    _, manager = make(tmp_path)
    with pytest.raises(UserError, match="no checkpoint in .* can be read .*: delete them to"):
        manager.restore_or_initialize()


def test_a_checkpoint_of_another_model_is_not_taken_for_a_torn_one(tmp_path):
    save(tmp_path, [3])
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model={"other": tf.Variable(0)}, step=step)
    with pytest.raises(UserError, match="of another model or optimizer, .* no values for"):
        restore(checkpoint, str(tmp_path / "ckpt-3"))


def test_what_a_killed_process_left_is_removed(tmp_path):
    save(tmp_path, [3])
    (tmp_path / "ckpt-6_temp").mkdir()
    (tmp_path / "ckpt-6_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"1")
    left = tmp_path / "ckpt-6.data-00000-of-00001.tempstate123"
    left.write_bytes(b"1")
    kept = tmp_path / "ckpt-6_temp.txt"
    kept.write_text("mine")
    make(tmp_path)
    assert not left.exists() and not (tmp_path / "ckpt-6_temp").exists()
    assert kept.exists() and (tmp_path / "ckpt-3.index").exists()


def test_an_asynchronous_checkpoint_is_of_the_moment_it_was_asked_for(tmp_path):
    checkpoint, manager = make(tmp_path)
    for step in (1, 2, 3):
        checkpoint.step.assign(step)
        checkpoint.model["c"].assign(step)
        manager.save(step, options=ASYNCHRONOUS)
        checkpoint.model["c"].assign(-1)
    manager.sync()
    for step in (1, 2, 3):
        other, _ = make(tmp_path)
        restore(other, str(tmp_path / f"ckpt-{step}"))
        assert int(other.model["c"]) == step


@pytest.mark.parametrize("options", [None, ASYNCHRONOUS], ids=["at once", "asynchronous"])
def test_what_cannot_be_written_is_said_at_the_latest_at_the_end(tmp_path, options):
    checkpoint, manager = make(tmp_path)
    checkpoint.step.assign(1)
    # A folder lies where the file should.
    (tmp_path / "ckpt-1.index").mkdir()
    (tmp_path / "ckpt-1.index" / "something").write_text("")
    with pytest.raises(RunError, match=f"cannot write {tmp_path}: .*the same command goes on"):
        manager.save(1, options=options)
        manager.sync()


def test_a_manager_that_does_not_write_reads_and_touches_nothing(tmp_path):
    save(tmp_path, [3, 5])
    (tmp_path / "ckpt-5.index").write_bytes(b"torn")
    (tmp_path / "checkpoint").unlink()
    before = runs.fingerprints(tmp_path)
    checkpoint, manager = make(tmp_path, writes=False)
    assert manager.restore_or_initialize() == str(tmp_path / "ckpt-3")
    assert checkpoint.step.numpy() == 3
    assert manager.save(7, options=ASYNCHRONOUS) is None
    manager.sync()
    assert runs.fingerprints(tmp_path) == before
