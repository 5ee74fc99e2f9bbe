"""Shards that are not what their manifest says are named by `inspect`, as far as it reads."""

import re

import pytest

from pipelines.data import manifest
from pipelines.prepare import inspection
from tests.pipelines import shards
from tests.pipelines.prepare.test_inspection import documents, inspect, refusal

SIZES = (900, 40, 2000, 700, 1200, 60, 300)


def damage(folder, place):
    path = sorted(folder.glob("train-*.tfrecord"))[0]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return path.name


@pytest.fixture
def one_shard(tmp_path):
    """Seven documents in a shard, and one in another."""
    shards.write_books(tmp_path / "books", SIZES)
    shards.write_books(tmp_path / "books", (90,), "test")
    shards.prepare(tmp_path / "books", tmp_path / "shards", shard_bytes=10**6)
    return tmp_path / "shards"


def test_nothing_behind_the_examples_is_read(one_shard, capsys):
    name = damage(one_shard, -1)
    inspect(one_shard, "--examples=6")
    capsys.readouterr()
    errors = refusal(capsys, one_shard, "--examples=7")
    assert name in errors and "is damaged" in errors


def test_every_byte_of_every_shard_can_be_checked(one_shard, capsys):
    inspect(one_shard, "--check", "--examples=0")
    assert "every byte of 2 shards is what it was\n" in capsys.readouterr().out
    name = damage(one_shard, -1)
    inspect(one_shard, "--examples=0")
    capsys.readouterr()
    errors = refusal(capsys, one_shard, "--check", "--examples=0")
    assert f"{name}' is damaged: its checksum is another one" in errors


def test_a_check_says_how_far_it_is(one_shard, capsys):
    made = manifest.load(str(one_shard))
    both = [*made.splits["train"], *made.splits["test"]]
    inspection.check_shards(str(one_shard), both, interval=0.0)
    first, second = capsys.readouterr().err.splitlines()
    share = both[0].size / (both[0].size + both[1].size)
    assert first == f"checked 1 of 2 shards, {share:.0%} of the bytes"
    assert second == "checked 2 of 2 shards, 100% of the bytes"


@pytest.mark.parametrize("place", [0, 30])
def test_a_damaged_shard_is_named(one_shard, capsys, place):
    name = damage(one_shard, place)
    errors = refusal(capsys, one_shard, "--examples=1", f"--output={one_shard}/new")
    assert name in errors and "is damaged" in errors
    assert not (one_shard / "new").exists()


def test_a_manifest_of_other_documents_is_refused(one_shard, capsys):
    path = one_shard / manifest.FILE
    size = documents(one_shard)[0][1]
    # Of its tokens and its bytes, which are as many.
    path.write_text(re.sub(rf"\b{size}\b", str(size + 1), path.read_text(), count=2))
    assert "does not hold what its manifest says" in refusal(capsys, one_shard)


def test_missing_and_short_shards_of_any_split_are_named(one_shard, capsys):
    (path,) = one_shard.glob("test-*.tfrecord")
    path.write_bytes(path.read_bytes()[:-1])
    assert re.search(f"{path.name}' has .* bytes instead of", refusal(capsys, one_shard))
    path.unlink()
    assert f"{path.name}' is missing" in refusal(capsys, one_shard)
