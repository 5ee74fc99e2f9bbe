"""A set is whole when its manifest is there, and not before."""

import json
import os
import shutil

import numpy as np
import pytest

from pipelines import image_files
from pipelines.data import ShardsTask, manifest
from pipelines.errors import UserError
from pipelines.prepare import claim, encoders, job
from tests.pipelines import shards


@pytest.fixture
def books(tmp_path):
    for split, sizes in (("train", (300, 20, 500)), ("validation", (40,))):
        shards.write_books(tmp_path / "books", sizes, split)
    return tmp_path / "books"


def test_the_manifest_says_what_was_written(tmp_path, books):
    made = shards.prepare(books, tmp_path / "out", shard_bytes=300)
    assert manifest.load(tmp_path / "out") == made
    assert (made.dataset, made.codec, made.vocab_size) == ("pg19", {"name": "bytes"}, 259)
    assert sum(shard.bytes for shard in made.splits["train"]) == 820
    text = "".join(path.read_text() for path in sorted((books / "train").iterdir()))
    words = sum(len(path.read_text().split()) for path in sorted((books / "train").iterdir()))
    assert len(text) == 820
    assert sum(shard.words for shard in made.splits["train"]) == words
    manifest.check_contents(tmp_path / "out", made.splits["train"])


def test_a_copy_of_the_raw_data_makes_the_same_shards(tmp_path, books):
    """By the same identity, with which a run goes on, though its files were written later."""
    made = shards.prepare(books, tmp_path / "out")
    shutil.copytree(books, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*.txt"):
        os.utime(path, (1, 1))
    again = shards.prepare(tmp_path / "copy", tmp_path / "again")
    assert again.identity == made.identity and again.fingerprint != made.fingerprint
    assert shards.prepare(books, tmp_path / "other", shard_bytes=300).identity != made.identity


def test_again_is_no_work(tmp_path, books, capsys, monkeypatch):
    made = shards.prepare(books, tmp_path / "out")
    monkeypatch.setattr(job, "write", None)
    assert shards.prepare(books, tmp_path / "out") == made
    assert "complete already" in capsys.readouterr().err


def test_an_interrupted_set_goes_on_and_is_the_same(tmp_path, books, monkeypatch):
    wanted = shards.prepare(books, tmp_path / "whole", shard_bytes=300)
    write, written = job.write, []

    def stop_after_one(plan, encoder):
        if written:
            raise KeyboardInterrupt
        written.append(plan)
        write(plan, encoder)

    monkeypatch.setattr(job, "write", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        shards.prepare(books, tmp_path / "out", shard_bytes=300)
    with pytest.raises(UserError, match="holds no manifest.json"):
        ShardsTask(tmp_path / "out")
    again = []
    monkeypatch.setattr(
        job, "write", lambda plan, encoder: again.append(plan) or write(plan, encoder)
    )
    assert shards.prepare(books, tmp_path / "out", shard_bytes=300) == wanted
    assert written[0].file not in {plan.file for plan in again}
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


@pytest.mark.parametrize("change", ["seed", "file", "size", "content"])
def test_another_set_is_not_written_over(tmp_path, books, change):
    shards.prepare(books, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    options = {"seed": 1} if change == "seed" else {}
    if change == "file":
        (books / "train/new.txt").write_text("new")
    elif change == "size":
        (books / "train/000.txt").write_text("longer" * 100)
    elif change == "content":  # of as many bytes
        (books / "train/000.txt").write_text("x" * 300)
        os.utime(books / "train/000.txt", (1, 1))
    with pytest.raises(UserError, match="holds other shards"):
        shards.prepare(books, tmp_path / "out", **options)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_two_at_once_with_other_settings_do_not_mix(tmp_path, books, monkeypatch):
    """The first is stopped in the middle, the second one's set is whole."""
    write, second = job.write, []

    def start_another(plan, encoder):
        if not second:
            second.append(None)
            second[0] = shards.prepare(books, tmp_path / "out", shard_bytes=300, seed=1)
        write(plan, encoder)

    monkeypatch.setattr(job, "write", start_another)
    with pytest.raises(UserError, match="another command, with other settings or files"):
        shards.prepare(books, tmp_path / "out", shard_bytes=300)
    assert manifest.load(tmp_path / "out") == second[0]
    for split in second[0].splits.values():
        manifest.check_contents(tmp_path / "out", split)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    files = [shard.file for split in second[0].splits.values() for shard in split]
    assert names == {"manifest.json", *files, *(file + ".json" for file in files)}


def test_two_at_once_with_the_same_settings_are_one(tmp_path, books, monkeypatch):
    write, second = job.write, []

    def start_another(plan, encoder):
        if not second:
            second.append(None)
            second[0] = shards.prepare(books, tmp_path / "out", shard_bytes=300)
        write(plan, encoder)

    monkeypatch.setattr(job, "write", start_another)
    assert shards.prepare(books, tmp_path / "out", shard_bytes=300) == second[0]


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_shard_that_was_lost_is_written_again(tmp_path, books, capsys, harm):
    made = shards.prepare(books, tmp_path / "out")
    file = tmp_path / "out" / made.splits["train"][0].file
    whole = file.read_bytes()
    file.unlink() if harm == "gone" else file.write_bytes(whole[:-1])
    assert shards.prepare(books, tmp_path / "out") == made
    assert str(file) in (said := capsys.readouterr().err) and "prepared again now" in said
    assert file.read_bytes() == whole
    assert not (tmp_path / "out" / claim.FILE).exists()


def test_a_folder_that_is_taken_when_the_manifest_is_written_is_no_set(
    tmp_path, books, monkeypatch
):
    """The other command may have written over the shards since they were looked at."""
    write_text = job.write_text

    def take_before(path, text):
        claim.take(str(tmp_path / "out"), "1" * 64)
        write_text(path, text)

    monkeypatch.setattr(job, "write_text", take_before)
    with pytest.raises(claim.Taken):
        shards.prepare(books, tmp_path / "out")
    assert not manifest.is_set(tmp_path / "out")


@pytest.mark.parametrize("name", [claim.FILE, "order.npy"])
def test_files_from_elsewhere_are_not_written_over(tmp_path, books, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    order = np.arange(12)[::-1]
    np.save(tmp_path / "mine.npy", order)
    for folder in ("train", "valid"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        image_files.write_grid(np.zeros((1, 2, 2, 3), "uint8"), tmp_path / f"images/{folder}/1.png")
    encoder = encoders.make_encoder("imagenet64", image_size=2, order=str(tmp_path / "mine.npy"))
    with pytest.raises(UserError, match=f"{name}' .*give another --output"):
        shards.prepare(tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder)
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_what_was_left_out_is_said_not_to_be_tried_again(tmp_path, books, capsys):
    (books / "train/000.txt").write_bytes(b"\xff")
    shards.prepare(books, tmp_path / "out")
    capsys.readouterr()
    shards.prepare(books, tmp_path / "out")
    assert "tried again in another --output alone" in capsys.readouterr().err


def test_what_another_set_left_unfinished_is_cleared_away(tmp_path, books, monkeypatch):
    write, written = job.write, []

    def stop_after_one(plan, encoder):
        if written:
            raise KeyboardInterrupt
        written.append(plan.file)
        write(plan, encoder)

    monkeypatch.setattr(job, "write", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        shards.prepare(books, tmp_path / "out", shard_bytes=100)
    assert (tmp_path / "out" / written[0]).exists()
    monkeypatch.setattr(job, "write", write)
    made = shards.prepare(books, tmp_path / "out", shard_bytes=10_000)
    files = [shard.file for split in made.splits.values() for shard in split]
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"manifest.json", *files, *(file + ".json" for file in files)}


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none"])
def test_an_output_that_is_no_folder_is_refused(tmp_path, books, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="not a directory|No such file|is not a folder"):
        shards.prepare(books, tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"


def test_files_that_cannot_be_read(tmp_path, books):
    (books / "train/000.txt").write_bytes(b"\xff\xfe")
    made = shards.prepare(books, tmp_path / "out")
    skipped = [shard.skipped for shard in made.splits["train"] if shard.skipped]
    assert [list(each) for each in skipped] == [["train/000.txt"]]
    assert sum(shard.documents for shard in made.splits["train"]) == 2
    with pytest.raises(UserError, match=r"000.txt' is not UTF-8"):
        shards.prepare(books, tmp_path / "strict", strict=True)
    assert not manifest.is_set(tmp_path / "strict")


def test_a_set_of_nothing_is_refused(tmp_path):
    (tmp_path / "books/train").mkdir(parents=True)
    (tmp_path / "books/train/a.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match="none of 1 files could be used, the first: .*not UTF-8"):
        shards.prepare(tmp_path / "books", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: {**content, "schema_version": 99}, "has version 99"),
        (lambda content: {**content, "token_bytes": 3}, "is torn"),
        (lambda content: {**content, "codec": {"name": "morse"}}, "unknown codec 'morse'"),
        (lambda content: {"schema_version": 1}, "is torn"),
        (lambda content: [], "is torn"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, books, change, message):
    shards.prepare(books, tmp_path / "out")
    file = tmp_path / "out/manifest.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(UserError, match=message):
        ShardsTask(tmp_path / "out")


def test_an_empty_split_is_named(tmp_path, books):
    shards.prepare(books, tmp_path / "out")
    with pytest.raises(UserError, match=r"no document of the split 'test' \(there is train, valid"):
        ShardsTask(tmp_path / "out").units("test")
