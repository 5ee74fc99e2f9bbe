"""Broken files among good ones, as the command meets them: skipped, counted, named, or refused."""

import re

import pytest
from PIL import Image

from pipelines.data import ShardsTask
from pipelines.prepare.__main__ import main
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import write_images, write_music

pytestmark = pytest.mark.slow

GOOD = 5


def write_data(folder, dataset):
    """Good files and two broken ones, whose names come back."""
    if dataset == "imagenet64":
        write_images(folder / "train", GOOD)
        broken = "train/cut.JPEG", "train/empty.jpg"
        Image.effect_noise((64, 64), 50).save(folder / broken[0], "JPEG")
        contents = (folder / broken[0]).read_bytes()[:-200], b""
    else:
        write_music(folder, ["train"] * (GOOD + 2))
        broken = "2004/1.midi", "2004/3.midi"
        contents = (folder / broken[0]).read_bytes()[:-9], b"RIFF" + bytes(60)
    for name, content in zip(broken, contents):
        (folder / name).write_bytes(content)
    return broken


def flags(tmp_path, dataset, *more):
    places = f"--input={tmp_path / 'data'}", f"--output={tmp_path / 'out'}"
    return (f"--dataset={dataset}", *places, *more)


@pytest.mark.parametrize("dataset", ["imagenet64", "maestro"])
def test_broken_files_are_skipped_counted_and_named(tmp_path, capsys, dataset):
    broken = write_data(tmp_path / "data", dataset)
    assert runs.call(main, *flags(tmp_path, dataset)) == 0
    printed = capsys.readouterr()
    lines = [re.split("[│┃]", line) for line in printed.out.splitlines()]
    rows = [[cell.strip() for cell in line] for line in lines]
    (column,) = [row.index("train") for row in rows if "train" in row]
    of_train = {row[1]: row[column] for row in rows if len(row) > column}
    assert (of_train["documents"], of_train["skipped"]) == (str(GOOD), "2")
    for name in broken:
        (line,) = [x for x in printed.err.splitlines() if x.startswith(f"skipped {name}: ")]
        assert str(tmp_path / "data" / name) in line  # the reason says the whole path
    task = ShardsTask(tmp_path / "out")
    names = [name for _, name, _ in shards.records(tmp_path / "out", task.manifest)]
    assert len(names) == GOOD and not set(names) & set(broken)
    (shard,) = task.manifest.splits["train"]
    assert set(shard.skipped) == set(broken)


@pytest.mark.parametrize("dataset", ["imagenet64", "maestro"])
def test_strict_refuses_them_in_one_line(tmp_path, dataset):
    # In a process of its own: Beam's libraries print what they like.
    broken = write_data(tmp_path / "data", dataset)
    status, out, err = runs.finish(
        runs.start("pipelines.prepare", *flags(tmp_path, dataset, "--strict"))
    )
    assert (status, out) == (2, ""), err
    line = runs.error_line(err)
    assert any(str(tmp_path / "data" / name) in line for name in broken)
    assert not (tmp_path / "out/manifest.json").exists()
