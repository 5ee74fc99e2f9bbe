"""A set of .npy files holds what the shards of the same settings hold, and is there whole or not.

Rows of it are tested in `tests/pipelines/experiment`.
"""

import fcntl
import json
import os
import resource

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.experiment import npy_set
from pipelines.experiment.npy_rows import NpyRows
from pipelines.prepare import encoders, job, npy_writer
from tests.pipelines import shards
from tests.pipelines.prepare.test_encoders import write_images, write_music


@pytest.fixture
def books(tmp_path):
    for split, sizes in (("train", (300, 20, 500)), ("validation", (40,))):
        shards.write_books(tmp_path / "books", sizes, split)
    return tmp_path / "books"


def prepare(source, output, **options):
    options = {"shard_bytes": 300, **options}
    return shards.prepare(source, output, prepare=npy_writer.prepare, **options)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_same(folder, npy, made, kind):
    """Every document of the shards lies in the .npy files, in the same order, and nothing else."""
    for split in made.splits:
        tokens = np.load(npy / f"{split}.tokens.npy")
        offsets = np.load(npy / f"{split}.offsets.npy")
        assert (tokens.dtype, offsets.dtype) == (kind, np.int64)
        wanted = [ids for of, _, ids in shards.records(folder, made) if of == split]
        assert offsets[0] == 0 and offsets[-1] == tokens.size
        found = np.split(tokens.astype(int) + 3, offsets[1:-1])
        assert [each.tolist() for each in found] == [each.tolist() for each in wanted]


@pytest.mark.parametrize("seed", [0, 1])
def test_books_are_those_of_the_shards(tmp_path, books, seed):
    (books / "train/bad.txt").write_bytes(b"\xff")
    made = shards.prepare(books, tmp_path / "shards", shard_bytes=300, seed=seed)
    assert prepare(books, tmp_path / "npy", seed=seed) == made
    assert len(made.splits["train"]) > 1
    check_same(tmp_path / "shards", tmp_path / "npy", made, np.uint8)
    for what in ("bytes", "words"):
        wanted = np.concatenate([shard.each(what) for shard in made.splits["train"]])
        found = np.load(tmp_path / f"npy/train.{what}.npy")
        assert found.dtype == np.int64 and found.tolist() == wanted.tolist()
    found = npy_set.load(tmp_path / "npy")
    assert (found.dataset, found.codec, found.vocab_size) == ("pg19", {"name": "bytes"}, 259)
    assert (found.token_bytes, found.ends, found.fingerprint) == (1, True, made.fingerprint)
    assert found.splits["train"] == {"documents": 3, "tokens": 820}
    assert list(found.skipped["train"]) == ["train/bad.txt"]
    names = {f"{s}.{w}.npy" for s in made.splits for w in ("tokens", "offsets", "bytes", "words")}
    assert set(found.files) == names
    assert set(content(tmp_path / "npy")) == names | {"npy.json"}
    npy_set.check_contents(tmp_path / "npy", found.files)


def test_images_have_positions_and_their_order(tmp_path):
    write_images(tmp_path / "images/train_4x4")
    np.save(tmp_path / "mine.npy", np.random.default_rng(1).permutation(48))
    encoder = encoders.make_encoder("imagenet64", image_size=4, order=str(tmp_path / "mine.npy"))
    options = {"dataset": "imagenet64", "encoder": encoder}
    made = shards.prepare(tmp_path / "images", tmp_path / "shards", **options)
    prepare(tmp_path / "images", tmp_path / "npy", **options, shard_bytes=1000)
    check_same(tmp_path / "shards", tmp_path / "npy", made, np.uint8)
    found = content(tmp_path / "npy")
    assert found["order.npy"] == (tmp_path / "shards/order.npy").read_bytes()
    positions = np.load(tmp_path / "npy/positions.npy")
    assert (positions.dtype, positions.shape) == (np.int32, (49, 3))
    assert not {name for name in found if "words" in name or "bytes" in name}


def test_music_takes_two_bytes_a_token(tmp_path):
    write_music(tmp_path / "maestro")
    made = shards.prepare(tmp_path / "maestro", tmp_path / "shards", dataset="maestro")
    prepare(tmp_path / "maestro", tmp_path / "npy", dataset="maestro", shard_bytes=1000)
    check_same(tmp_path / "shards", tmp_path / "npy", made, np.uint16)
    assert not (tmp_path / "npy/positions.npy").exists()


def test_a_split_without_documents_is_none(tmp_path, books):
    (books / "validation/000.txt").write_bytes(b"\xff")
    prepare(books, tmp_path / "npy")
    assert NpyRows(tmp_path / "npy").splits == ("train",)
    assert list(npy_set.load(tmp_path / "npy").skipped["validation"]) == ["validation/000.txt"]


def test_again_is_no_work(tmp_path, books, capsys, monkeypatch):
    prepare(books, tmp_path / "npy")
    before = content(tmp_path / "npy")
    monkeypatch.setattr(job, "prepare", None)
    assert prepare(books, tmp_path / "npy") is None
    assert f"{tmp_path / 'npy'} is complete already" in capsys.readouterr().err
    assert content(tmp_path / "npy") == before


def test_other_settings_do_not_write_over_a_set(tmp_path, books):
    prepare(books, tmp_path / "npy")
    before = content(tmp_path / "npy")
    with pytest.raises(UserError, match="holds another set of .npy files .*another --output"):
        prepare(books, tmp_path / "npy", seed=1)
    assert content(tmp_path / "npy") == before


def test_shards_and_npy_files_do_not_share_a_folder(tmp_path, books):
    shards.prepare(books, tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(UserError, match="holds shards: give .npy files another --output"):
        prepare(books, tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_a_set_with_a_file_cut_short_is_prepared_again(tmp_path, books, capsys):
    prepare(books, tmp_path / "npy")
    before = content(tmp_path / "npy")
    os.truncate(tmp_path / "npy/train.tokens.npy", 200)
    assert prepare(books, tmp_path / "npy")
    assert "train.tokens.npy' has 200 bytes instead of 948" in capsys.readouterr().err
    assert content(tmp_path / "npy") == before


def test_an_edited_npy_json_is_named_and_stays(tmp_path, books):
    prepare(books, tmp_path / "npy")
    text = (tmp_path / "npy/npy.json").read_text().replace('"vocab_size": 259', '"vocab_size": 300')
    (tmp_path / "npy/npy.json").write_text(text)
    with pytest.raises(UserError, match="npy.json' is torn or was edited"):
        prepare(books, tmp_path / "npy")
    assert (tmp_path / "npy/npy.json").read_text() == text


@pytest.mark.parametrize("place", ["_write_array", "write_text"])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_interrupted_set_is_none_and_goes_on(tmp_path, books, monkeypatch, place, seed):
    """With the same settings from the shards that are there, with others anew."""
    prepare(books, tmp_path / "whole", seed=seed)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(npy_writer, place, stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(books, tmp_path / "npy")
    with pytest.raises(UserError, match="holds no npy.json"):
        NpyRows(tmp_path / "npy")
    if seed == 0:
        monkeypatch.setattr(job, "write", None)
    assert prepare(books, tmp_path / "npy", seed=seed)
    assert content(tmp_path / "npy") == content(tmp_path / "whole")


def test_two_at_once_are_refused(tmp_path, books, monkeypatch):
    write, refusals = job.write, []

    def start_another(plan, encoder):
        with pytest.raises(UserError) as error:
            prepare(books, tmp_path / "npy", seed=1)
        refusals.append(str(error.value))
        write(plan, encoder)

    monkeypatch.setattr(job, "write", start_another)
    assert prepare(books, tmp_path / "npy")
    assert refusals and all(f"prepares '{tmp_path / 'npy'}' now" in line for line in refusals)
    NpyRows(tmp_path / "npy").check_contents()


def test_a_set_completed_by_another_command_before_the_lock_is_taken(tmp_path, books, monkeypatch):
    lock = fcntl.flock

    def complete(*arguments):
        monkeypatch.setattr(fcntl, "flock", lock)
        prepare(books, tmp_path / "npy")
        os.makedirs(tmp_path / "npy/unfinished", exist_ok=True)
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", complete)
    assert prepare(books, tmp_path / "npy") is None
    NpyRows(tmp_path / "npy").check_contents()
    assert not (tmp_path / "npy/unfinished").exists()


def test_a_kill_behind_the_last_file_leaves_nothing_for_ever(tmp_path, books, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(npy_writer.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(books, tmp_path / "npy")
    before = sorted(os.listdir(tmp_path / "npy/unfinished"))
    with open(tmp_path / "npy/unfinished/lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as another command that is not done yet
        assert prepare(books, tmp_path / "npy") is None
        assert sorted(os.listdir(tmp_path / "npy/unfinished")) == before
    assert prepare(books, tmp_path / "npy") is None
    assert not (tmp_path / "npy/unfinished").exists()
    NpyRows(tmp_path / "npy").check_contents()


def test_an_order_that_was_there_is_not_written_over(tmp_path):
    write_images(tmp_path / "images/train_4x4")
    np.save(tmp_path / "mine.npy", np.random.default_rng(1).permutation(48))
    encoder = encoders.make_encoder("imagenet64", image_size=4, order=str(tmp_path / "mine.npy"))
    options = {"dataset": "imagenet64", "encoder": encoder}
    (tmp_path / "npy").mkdir()
    (tmp_path / "npy/order.npy").write_bytes(b"of somebody")
    with pytest.raises(UserError, match="order.npy' is another one: move it away, or give"):
        prepare(tmp_path / "images", tmp_path / "npy", **options)
    assert content(tmp_path / "npy") == {"order.npy": b"of somebody"}
    (tmp_path / "npy/order.npy").unlink()
    prepare(tmp_path / "images", tmp_path / "npy", **options)
    before = content(tmp_path / "npy")
    (tmp_path / "npy/order.npy").write_bytes(b"damaged")
    assert prepare(tmp_path / "images", tmp_path / "npy", **options)
    assert content(tmp_path / "npy") == before


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
    """No file of more than 15,000 bytes can be written: the shards can, all tokens cannot."""
    shards.write_books(tmp_path / "books", [7000] * 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, before[1]))
    try:
        with pytest.raises(UserError, match="File too large"):
            prepare(tmp_path / "books", tmp_path / "npy", shard_bytes=7000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "npy/npy.json").exists()
    assert prepare(tmp_path / "books", tmp_path / "npy", shard_bytes=7000)
    assert json.loads((tmp_path / "npy/npy.json").read_text())["splits"]["train"]["tokens"] == 21000


def test_an_output_that_is_a_file_is_one_line(tmp_path, books):
    (tmp_path / "npy").write_text("mine")
    with pytest.raises(UserError, match="npy"):
        prepare(books, tmp_path / "npy")
    assert (tmp_path / "npy").read_text() == "mine"
