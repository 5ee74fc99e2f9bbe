"""Codecs, and manifests that do not agree with theirs."""

import json

import pytest

from pipelines.data import codecs, manifest
from pipelines.errors import UserError
from tests.pipelines.shards import a_set, a_shard


def load(folder, content):
    (folder / manifest.FILE).write_text(json.dumps(content))
    return manifest.load(str(folder))


IMAGE = {"name": "image", "size": 4, "order": "raster"}
NO_TEXT = {"document_bytes": 0, "document_words": 0}
IMAGES = {
    "codec": IMAGE,
    "ends": False,
    "splits": {"train": [a_shard("train", document_tokens=48, **NO_TEXT)]},
}


def of_train(**changed):
    return {"splits": {"train": [a_shard("train", **changed)]}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vocab_size": 258}, "vocab_size is 258, that of its codec 259"),
        ({"token_bytes": 2}, "token_bytes is 2, that of its codec 1"),
        ({"ends": False}, "ends is False, that of its codec True"),
        (of_train(document_bytes=0), "train-0.* has 8 words in 0 bytes of text"),
        (of_train(document_words=0), "has 0 words in 50 bytes of text"),
        (of_train(document_words=[1, 60]), "has 61 words in 50 bytes of text"),
        (of_train(document_bytes=[20, 2**31]), "has other numbers of bytes than of tokens"),
        ({**IMAGES, **of_train(document_tokens=48)}, "has 8 words in 50 bytes of text"),
        ({"codec": {}}, "unknown codec None"),
        ({"codec": {"name": ["bytes"]}}, r"unknown codec \['bytes'\]"),
        ({"codec": {"name": "sentencepiece"}}, "codec: file must name a file"),
        ({"codec": {"name": "sentencepiece", "file": "a.model"}}, "codec: sha256 must be 64"),
        (
            {"codec": {"name": "sentencepiece", "file": "../a.model", "sha256": "0" * 64}},
            "codec: file must name a file of the folder, got '../a.model'",
        ),
        ({**IMAGES, "codec": {**IMAGE, "size": None}}, "codec: size must be an integer"),
        ({**IMAGES, "codec": {**IMAGE, "size": "4"}}, "codec: size must be an integer"),
        ({**IMAGES, "codec": {**IMAGE, "size": 10**6}}, "codec: size must be an integer"),
        ({**IMAGES, "codec": {"name": "image", "size": 4}}, "codec: order must name a file"),
        ({**IMAGES, "codec": {**IMAGE, "order": "snake.npy"}}, "codec: sha256 must be 64"),
        ({**IMAGES, "codec": {**IMAGE, "size": 5}}, "a document of train-0.* is no image"),
    ],
)
def test_a_codec_that_the_manifest_does_not_agree_with_is_refused(tmp_path, changed, message):
    content = a_set(**changed)
    if changed.get("token_bytes") == 2:
        content["splits"]["train"][0]["size"] = content["splits"]["validation"][0]["size"] = 200
    with pytest.raises(UserError, match=message):
        codecs.codec_of(load(tmp_path, content), str(tmp_path))


def test_a_codec_of_images_that_fits(tmp_path):
    assert codecs.codec_of(load(tmp_path, a_set(**IMAGES)), str(tmp_path)).size == 4
