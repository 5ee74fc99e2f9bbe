"""A set of .npy files that is not what it was is named in one line."""

import json
import os

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.experiment import image_sets, npy_set
from pipelines.experiment.npy_rows import NpyRows
from tests.pipelines.experiment import npy_sets

TOKENS = np.arange(7, dtype=np.uint8)
OFFSETS = np.array([0, 3, 7])


def write(folder, offsets=OFFSETS, tokens=TOKENS, sizes=None, **changed):
    """A set of one split, of two documents."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "train.tokens.npy", tokens)
    np.save(folder / "train.offsets.npy", offsets)
    files = {
        path.name: {"size": path.stat().st_size, "sha256": npy_set.checksum(path)}
        for path in folder.glob("*.npy")
    }
    made = npy_set.NpySet(
        dataset="text",
        codec={"name": "bytes"},
        token_bytes=1,
        ends=True,
        fingerprint="f",
        splits={"train": sizes or {"documents": 2, "tokens": 7}},
        skipped={},
        files=files,
        **{"vocab_size": 259, **changed},
    )
    (folder / npy_set.FILE).write_text(made.to_json())
    return made


def test_a_set_comes_back_as_it_was_written(tmp_path):
    made = write(tmp_path)
    assert npy_set.load(tmp_path) == made
    npy_set.check_contents(tmp_path, made.files)
    assert NpyRows(tmp_path).num_events("train").tolist() == [5, 6]


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def edit(path):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "ends": False}))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("npy.json", os.remove, "holds no npy.json: prepare it with .* --format=npy"),
        ("npy.json", cut, "npy.json' is torn or was edited .*delete it and give the same prepare"),
        ("npy.json", edit, "npy.json' is torn or was edited .its digest is another one"),
        ("npy.json", lambda path: path.write_text("[]"), "npy.json' is torn or was edited"),
        ("npy.json", lambda path: path.write_text("{}"), "npy.json' is torn or was edited"),
        ("npy.json", lambda path: path.write_bytes(b"\xff"), "npy.json' is torn or was edited"),
        ("train.tokens.npy", os.remove, "train.tokens.npy' is missing: copy the whole folder"),
        ("train.tokens.npy", cut, "train.tokens.npy' has 134 bytes instead of 135: copy the whole"),
        ("train.offsets.npy", cut, "train.offsets.npy' has 151 bytes instead of 152"),
    ],
)
def test_what_is_missing_torn_or_edited_is_named(tmp_path, name, damage, message):
    write(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(UserError, match=message):
        NpyRows(tmp_path)


def test_another_version_is_refused(tmp_path):
    write(tmp_path, version=2)
    with pytest.raises(UserError, match="has version 2, this program reads 1"):
        npy_set.load(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "npy.json").mkdir()
    with pytest.raises(UserError, match="cannot read .*npy.json' .Is a directory"):
        npy_set.load(tmp_path)


def test_a_changed_byte_is_told_by_the_checksum(tmp_path):
    write(tmp_path)
    data = bytearray((tmp_path / "train.tokens.npy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "train.tokens.npy").write_bytes(data)
    rows = NpyRows(tmp_path)
    with pytest.raises(UserError, match="train.tokens.npy' is damaged .its checksum"):
        rows.check_contents()


def test_ids_beyond_the_vocabulary_are_named_when_they_are_read(tmp_path):
    write(tmp_path, vocab_size=3 + 6)
    rows = NpyRows(tmp_path)
    assert rows.events("train", 0).tolist() == [2, 3, 4, 5, 1]
    for read in (
        lambda: rows.events("train", 1),
        lambda: list(rows.evaluation_batches("train", 4, 2, 4)),
        lambda: rows.training_batch(8, 32, seed=0, step=0),
    ):
        with pytest.raises(UserError, match="train.tokens.npy' is damaged .it holds ids beyond"):
            read()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tokens": TOKENS.astype(np.int8)}, r"tokens.npy' is damaged .it is .* int8 \(7,\)"),
        ({"tokens": TOKENS[:6]}, r"tokens.npy' is damaged .it is an array of uint8 \(6,\)"),
        ({"offsets": OFFSETS.astype(np.int32)}, "offsets.npy' is damaged .it is .* int32"),
        ({"offsets": OFFSETS[:2]}, "offsets.npy' is damaged"),
        ({"offsets": np.array([0, 3, 6])}, "offsets.npy' is damaged"),
        ({"offsets": np.array([1, 3, 7])}, "offsets.npy' is damaged"),
        ({"offsets": np.array([0, 0, 7])}, "offsets.npy' is damaged"),
        ({"offsets": np.array([0, 9, 7])}, "offsets.npy' is damaged"),
        ({"sizes": {"documents": 2, "tokens": 8}}, "offsets.npy' is damaged"),
    ],
)
def test_arrays_that_are_not_those_of_the_set_are_refused(tmp_path, wrong, message):
    write(tmp_path, **wrong)
    with pytest.raises(UserError, match=message):
        NpyRows(tmp_path).num_events("train")


@pytest.mark.parametrize(
    "wrong",
    [
        (b"descr", b"DESCR"),
        (b"(7,)", b"((7,"),
        (b"(7,)", b"""'''7"""),
        (b"(7,), }", b"(1" + b"0" * 30 + b",), }"),
        (b"(7,)", b"(True,)"),
        (b"\x93NUM", b"PK\x03\x04"),  # of an archive
        (b"\x93NUM", b"\x80\x04\x95\0"),  # of a pickle
    ],
)
def test_a_header_that_is_none_is_named(tmp_path, wrong):
    write(tmp_path)
    data = (tmp_path / "train.tokens.npy").read_bytes()
    before, after = wrong
    damaged = data.replace(before, after).replace(b" " * (len(after) - len(before)), b"", 1)
    assert len(damaged) == len(data) and damaged != data
    (tmp_path / "train.tokens.npy").write_bytes(damaged)
    with pytest.raises(UserError, match="tokens.npy' is damaged"):
        NpyRows(tmp_path).num_events("train")


@pytest.mark.parametrize("place", [(3, 0), (3, 2), (10, 1)])
@pytest.mark.parametrize("wrong", [-5, 3, 10**9])
def test_positions_that_are_those_of_no_image_are_named(tmp_path, place, wrong):
    folder = npy_sets.make_images(tmp_path, "raster")
    positions = np.load(f"{folder}/positions.npy")
    assert positions[place] != wrong
    positions[place] = wrong
    np.save(f"{folder}/positions.npy", positions)
    with pytest.raises(UserError, match="positions.npy' is damaged"):
        image_sets.order(NpyRows(folder))


def test_images_of_more_events_than_positions_are_named(tmp_path):
    folder = npy_sets.make_images(tmp_path, "raster")
    offsets = np.load(f"{folder}/train.offsets.npy")
    offsets[1] -= 8
    np.save(f"{folder}/train.offsets.npy", offsets)
    with pytest.raises(UserError, match="train.offsets.npy' is damaged .they leave more than"):
        NpyRows(folder).num_events("train")
