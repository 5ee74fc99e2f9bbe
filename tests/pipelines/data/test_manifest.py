"""Manifests that say what cannot be: one line that names the field."""

import json

import pytest

from pipelines.data import codecs, manifest
from pipelines.errors import UserError
from tests.pipelines.shards import a_set, a_shard


def load(folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / manifest.FILE).write_text(text)
    return manifest.load(str(folder))


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    made = load(tmp_path, a_set())
    assert json.loads(made.to_json()) == a_set()
    assert codecs.codec_of(made, str(tmp_path)).is_text


def test_a_shard_of_which_every_document_was_left_out_is_none_of_a_split(tmp_path):
    empty = a_shard("validation", documents=0, size=0, document_tokens=0, document_bytes=0)
    made = load(tmp_path, a_set(splits={"train": [a_shard("train")], "validation": [empty]}))
    codecs.codec_of(made, str(tmp_path))
    with pytest.raises(UserError, match="no document of the split 'validation'"):
        made.shards("validation", str(tmp_path))


COLUMNS = ("document_tokens", "document_bytes", "document_words")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"file": "../train.tfrecord"}, "file must name a file of the folder, got '../train"),
        ({"file": "a/b"}, "file must name a file of the folder, got 'a/b'"),
        ({"file": ".."}, "file must name a file"),
        ({"file": ""}, "file must name a file"),
        ({"file": 3}, "file must name a file of the folder, got 3"),
        ({"file": "validation-00000-of-00001.tfrecord"}, "is there twice"),
        ({"size": "100"}, "size must be an integer .*, got '100'"),
        ({"size": 100.0}, "size must be an integer .*, got 100.0"),
        ({"size": -1}, "size must be an integer .*, got -1"),
        ({"size": 49}, "has 50 tokens in 49 bytes"),
        ({"sha256": None}, "sha256 must be 64 hexadecimal digits, got None"),
        ({"sha256": "0" * 63}, "sha256 must be 64 hexadecimal digits"),
        ({"documents": -2}, "documents must be an integer .*, got -2"),
        ({"documents": True}, "documents must be an integer .*, got True"),
        (
            {"documents": 7, "document_tokens": 1, "document_bytes": 1},
            r"train\[0\] has 7 documents in 100 bytes",
        ),
        ({"documents": 3}, "document_tokens has 2 numbers for 3 documents"),
        ({"document_tokens": [20, 0]}, "document_tokens must be integers ≥ 1, got 0"),
        ({"document_tokens": [20, -1]}, "document_tokens must be integers ≥ 1, got -1"),
        ({"document_tokens": [20, True]}, "document_tokens must be integers ≥ 1, got True"),
        ({"document_tokens": ["20", 30]}, "document_tokens must be integers ≥ 1, got '20'"),
        ({"document_tokens": [20, 1.5]}, "document_tokens must be integers ≥ 1, got 1.5"),
        ({"document_tokens": 0}, "document_tokens must be integers ≥ 1, got 0"),
        ({"document_tokens": None}, "document_tokens must be integers ≥ 1, got None"),
        ({"document_tokens": [2**64, 1]}, "document_tokens come to"),
        ({"document_bytes": [20]}, "document_bytes has 1 numbers for 2 documents"),
        ({"document_bytes": -1}, "document_bytes must be integers ≥ 0, got -1"),
        ({"document_words": 2**63}, "document_words come to"),
        ({"skipped": []}, "skipped must be of the type dict"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
    ],
)
def test_an_edited_shard_is_named(tmp_path, changed, message):
    splits = {"validation": [a_shard("validation")], "train": [a_shard("train", **changed)]}
    with pytest.raises(UserError, match=message) as error:
        load(tmp_path, a_set(splits=splits))
    line = str(error.value)
    assert line.startswith(repr(str(tmp_path / manifest.FILE)) + " is torn or was edited (")
    assert line.endswith("): prepare the shards again") and "\n" not in line and len(line) < 500


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": 3}, "dataset must be of the type str, got 3"),
        ({"codec": "bytes"}, "codec must be of the type dict, got 'bytes'"),
        ({"vocab_size": "259"}, "vocab_size must be an integer"),
        ({"vocab_size": 260}, "vocab_size must be an integer ≥ 4 and ≤ 259, got 260"),
        ({"vocab_size": 3}, "vocab_size must be an integer ≥ 4 and ≤ 259, got 3"),
        ({"token_bytes": True}, "token_bytes must be an integer ≥ 1 and ≤ 2, got True"),
        ({"token_bytes": [1]}, "token_bytes must be an integer"),
        ({"ends": 1}, "ends must be of the type bool, got 1"),
        ({"ends": "false"}, "ends must be of the type bool"),
        ({"fingerprint": None}, "fingerprint must be of the type str, got None"),
        ({"splits": []}, "no attribute 'items'"),
        ({"splits": {"train": {"file": "a"}}}, "is torn or was edited"),
        ({"splits": {"train": [3]}}, "is torn or was edited"),
        ({"splits": {"exam": []}}, "unknown split 'exam'"),
        ({"splits": {"train": [a_shard("a"), a_shard("a")]}}, r"train\[1\].file .* is there twice"),
    ],
)
def test_an_edited_manifest_is_named(tmp_path, changed, message):
    with pytest.raises(UserError, match=message) as error:
        load(tmp_path, a_set(**changed))
    assert "is torn or was edited" in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "3", "[" * 100_000, '{"schema_version": NaN'])
def test_what_is_no_manifest_is_torn(tmp_path, content):
    with pytest.raises(UserError, match="is torn or was edited"):
        load(tmp_path, content)


@pytest.mark.parametrize("field", ["dataset", "codec", "ends", "fingerprint", "splits"])
def test_a_field_that_is_missing_is_named(tmp_path, field):
    content = a_set()
    del content[field]
    with pytest.raises(UserError, match=field):
        load(tmp_path, content)


def test_what_a_run_is_on_is_more_than_the_files(tmp_path):
    """A shard of which the documents are struck out would never be opened."""
    whole = load(tmp_path, a_set())
    none = {"documents": 0, **{column: [] for column in COLUMNS}}
    struck = load(tmp_path, a_set(splits={"train": [a_shard("train", **none)]}))
    kept = load(tmp_path, a_set(splits={"train": [a_shard("train")]}))
    assert len({made.identity for made in (whole, struck, kept)}) == 3
