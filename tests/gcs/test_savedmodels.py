"""Versions in a bucket. There each file is moved by itself, so the order decides what is seen."""

import pytest
import tensorflow as tf

from savedmodels import export, versions
from tests.pipelines import runs


@pytest.fixture
def exported(storage, bucket, tmp_path):
    """A bucket with a version of a model, written by the command."""
    runs.save_untrained(tmp_path / "run", runs.copy_flags(), scale=0.5)
    flags = [f"--model_dir={tmp_path / 'run'}", f"--output=gs://{bucket}/model"]
    assert runs.call(export.main, *flags) == 0
    return bucket


def write_files(folder):
    for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index"):
        with tf.io.gfile.GFile(f"{folder}/{name}", "w") as file:
            file.write(name)


def test_a_version_is_loaded_back(exported, storage):
    names = [name for name in storage.names(exported) if not name.endswith("/")]
    assert all(name.startswith("model/1/") for name in names), names
    loaded = tf.saved_model.load(f"gs://{exported}/model/1")
    assert {"serving_default", "score", "generate"} <= set(loaded.signatures)


def test_what_makes_a_version_loadable_comes_last(bucket, monkeypatch):
    folder, target = f"gs://{bucket}/unfinished", f"gs://{bucket}/1"
    write_files(folder)
    moved, rename = [], tf.io.gfile.rename

    def note(source, place):
        rename(source, place)
        moved.append(
            (place.removeprefix(f"{target}/"), tf.saved_model.contains_saved_model(target))
        )

    monkeypatch.setattr(tf.io.gfile, "rename", note)
    versions._move_objects(folder, target)
    assert moved == [
        ("fingerprint.pb", False),
        ("variables/variables.index", False),
        ("saved_model.pb", True),
    ]


def test_a_move_that_fails_leaves_nothing_to_load(storage, bucket):
    write_files(f"gs://{bucket}/unfinished")
    storage.set_faults(missing=("unfinished/variables/variables.index",))
    with pytest.raises(tf.errors.NotFoundError):
        versions._move_objects(f"gs://{bucket}/unfinished", f"gs://{bucket}/1")
    assert not tf.saved_model.contains_saved_model(f"gs://{bucket}/1")
