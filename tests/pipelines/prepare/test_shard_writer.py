"""Shards hold every document once, in an order of their own, and are bytes that follow from it."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipelines import remote
from pipelines.errors import UserError
from pipelines.prepare import claim, shard_writer
from pipelines.prepare.documents import Document
from pipelines.prepare.encoders import Encoded


def encode(document):
    if "broken" in document.name:
        raise UserError(f"{document.name} is broken")
    return Encoded(np.arange(document.size, dtype=np.uint16), document.size, 2)


SET, ANOTHER = "0" * 64, "1" * 64


@pytest.fixture
def folder(tmp_path):
    claim.take(str(tmp_path), SET)
    return tmp_path


def plan(sizes, folder="nowhere", shard_bytes=10, seed=0, strict=False, names="book"):
    files = [Document(f"{names}{n}", f"/{n}", "whole", size, 0) for n, size in enumerate(sizes)]
    plans = shard_writer.plan(str(folder), "train", files, shard_bytes, seed, [], strict)
    return [dataclasses.replace(plan, of_set=SET) for plan in plans]


def records(path):
    features = {name: tf.io.FixedLenFeature((), tf.string) for name in ("name", "tokens")}
    for record in tf.data.TFRecordDataset(str(path)):
        example = tf.io.parse_example(record, features)
        yield example["name"].numpy().decode(), np.frombuffer(example["tokens"].numpy(), "<u2")


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 100))
def test_every_document_is_in_one_shard(sizes, shard_bytes):
    plans = plan(sizes, shard_bytes=shard_bytes)
    names = [document.name for each in plans for document in each.documents]
    assert sorted(names) == sorted(f"book{n}" for n in range(len(sizes)))
    assert all(each.documents for each in plans)
    files = [each.file for each in plans]
    assert files == [f"train-{n:05d}-of-{len(plans):05d}.tfrecord" for n in range(len(plans))]
    for each in plans:  # but for the documents at its ends, a shard is no larger than asked
        inner = sum(document.size for document in each.documents[1:-1])
        number = min(len(sizes), max(1, round(sum(sizes) / shard_bytes)))
        assert inner <= sum(sizes) / number


def test_the_order_is_shuffled_by_seed():
    orders = [
        [d.name for p in plan([1] * 30, seed=seed) for d in p.documents] for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_a_shard_holds_tokens_and_names(folder):
    (one,) = plan([3, 5], folder)
    shard = shard_writer.write(one, encode)
    assert [(name, tokens.tolist()) for name, tokens in records(folder / shard.file)] == [
        (document.name, list(range(document.size))) for document in one.documents
    ]
    lengths = [document.size for document in one.documents]
    assert (shard.documents, shard.document_tokens, shard.document_bytes) == (2, lengths, lengths)
    assert (shard.document_words, shard.words) == (2, 4)
    assert shard.size == (folder / shard.file).stat().st_size
    assert shard_writer.read_report(one) == shard


def test_what_is_done_is_not_done_again(folder):
    (one,) = plan([3, 5], folder)
    shard = shard_writer.write(one, encode)

    def refuse(document):
        raise AssertionError(document)

    assert shard_writer.write(one, refuse) == shard


@pytest.mark.parametrize("how", ["no report", "torn report", "torn shard", "other documents"])
def test_what_is_not_whole_is_done_again(folder, how):
    (one,) = plan([3, 5], folder)
    wanted = shard_writer.write(one, encode)
    path = folder / wanted.file
    report = folder / (wanted.file + shard_writer.REPORT)
    if how == "no report":
        report.unlink()
    elif how == "torn report":
        report.write_text(report.read_text()[:40])
    elif how == "torn shard":
        os.truncate(path, 20)
    else:
        (one,) = plan([3, 5], folder, names="other")
    assert shard_writer.read_report(one) is None
    assert shard_writer.write(one, encode).documents == 2
    assert [name for name, _ in records(path)] == [document.name for document in one.documents]
    if how != "other documents":
        assert shard_writer.read_report(one) == wanted  # byte for byte


def test_broken_documents_are_left_out_and_named(folder):
    files = [Document(name, f"/{name}", "whole", 4, 0) for name in ("good", "broken1", "broken2")]
    (one,) = shard_writer.plan(str(folder), "train", files, 100, 0, [], False)
    one = dataclasses.replace(one, of_set=SET)
    shard = shard_writer.write(one, encode)
    assert shard.documents == 1
    assert shard.skipped == {"broken1": "broken1 is broken", "broken2": "broken2 is broken"}


def test_a_document_that_no_record_can_hold_is_left_out(folder, monkeypatch):
    monkeypatch.setattr(shard_writer, "_MOST_BYTES", 8)
    (one,) = plan([4, 5], folder)
    shard = shard_writer.write(one, encode)  # two bytes a token
    assert shard.document_tokens == 4
    assert "takes 10 bytes as tokens, and a record holds 8: split it" in shard.skipped["book1"]


def test_strict_stops_at_a_broken_document(folder):
    files = [Document(name, f"/{name}", "whole", 4, 0) for name in ("good", "broken1")]
    (one,) = shard_writer.plan(str(folder), "train", files, 100, 0, [], True)
    one = dataclasses.replace(one, of_set=SET)
    with pytest.raises(UserError, match="broken1 is broken"):
        shard_writer.write(one, encode)
    assert not (folder / one.file).exists()
    shard_writer.write_failure(one, UserError("broken1 is broken"))
    assert shard_writer.read_report(one) == "broken1 is broken"


def test_what_killed_writers_left_is_removed(folder):
    """Of a set with other settings too; what has no report beside it may be anybody's."""
    (one,) = plan([3], folder)
    shard_writer.write(one, encode)
    for left in (f"{one.file}.writing-{SET[:32]}", f"{one.file}.json.unfinished-{SET[:32]}"):
        (folder / left).write_bytes(b"half")
    for other in plan([30, 30], folder):
        shard_writer.write(other, encode)
    (folder / "my.writing-stuff").mkdir()
    kept = [
        "my.writing-2024.txt",
        f"books.writing-{SET[:32]}",
        "notes.tfrecord",
        "train-00000-of-00009.tfrecord",
        "test-00000-of-00001.json",
    ]
    for name in kept:
        (folder / name).write_bytes(b"")
    shard_writer.clean(str(folder), [one])
    ours = [claim.FILE, one.file, one.file + shard_writer.REPORT]
    assert sorted(os.listdir(folder)) == sorted([*kept, *ours, "my.writing-stuff"])
    assert json.loads((folder / (one.file + shard_writer.REPORT)).read_text())


def test_what_cannot_be_read_now_stops_a_shard(folder):
    """Left out, it would stay out: the set would be complete."""
    (one,) = plan([3, 5], folder)

    def fail(document):
        raise remote.Away("the bucket does not answer")

    with pytest.raises(UserError, match="does not answer"):
        shard_writer.write(one, fail)
    assert os.listdir(folder) == [claim.FILE]


def test_a_shard_that_fails_leaves_no_half(folder):
    (one,) = plan([3, 5], folder)

    def fail(document):
        raise remote.ShortRead("cut")

    with pytest.raises(remote.ShortRead):
        shard_writer.write(one, fail)
    assert os.listdir(folder) == [claim.FILE]


def test_nothing_is_written_over_another_set(folder):
    """Whoever comes second takes the folder; the first one stops before its next rename."""
    (one,) = plan([3, 5], folder)

    def encode_while_another_starts(document):
        claim.take(str(folder), ANOTHER)
        return encode(document)

    with pytest.raises(claim.Taken, match="another command, with other settings or files"):
        shard_writer.write(one, encode_while_another_starts)
    assert os.listdir(folder) == [claim.FILE]


@pytest.mark.parametrize("shard_bytes", [1e-320, float("inf")])
def test_absurd_sizes_are_as_many_shards_as_there_can_be(shard_bytes):
    assert len(plan([3, 5], shard_bytes=shard_bytes)) == (1 if shard_bytes > 1 else 2)
