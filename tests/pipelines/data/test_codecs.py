"""Codecs, and manifests that do not agree with theirs."""

import json

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation import BeamSearch, Sampler
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


@pytest.fixture(scope="module")
def restless_model():
    """Never trained, of a vocabulary of images, and EOS is by far the likeliest of what it says."""
    backbone = kpar.models.PerceiverARBackbone(
        vocab_size=codecs.Image.vocab_size,
        max_context=48,
        num_latents=8,
        num_layers=1,
        width=16,
        num_heads=2,
    )
    model = kpar.models.PerceiverARCausalLM(backbone)
    model({"token_ids": np.array([[2]], "int32")})
    bias = np.zeros(codecs.Image.vocab_size, "float32")
    bias[:3] = 50.0
    model.logits.bias.assign(bias)
    return model


ROWS = 16
RANDOM = np.random.default_rng(0)
SAMPLERS = {
    "hot": Sampler(RANDOM.uniform(1, 100, ROWS)),
    "cut": Sampler(1.0, top_p=RANDOM.uniform(0, 1, ROWS), top_k=RANDOM.integers(1, 9, ROWS)),
    "typical": Sampler(1.0, typical_p=RANDOM.uniform(0, 1, ROWS), min_p=RANDOM.uniform(0, 1, ROWS)),
    "new": Sampler(1.0, repetition_penalty=RANDOM.uniform(0.1, 9, ROWS)),
    "greedy": "greedy",
    "beam": BeamSearch(3),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_image_that_is_drawn_is_whole(restless_model, name):
    codec = codecs.make_codec(IMAGE, "")
    nothing = {"token_ids": np.zeros((ROWS, 1), "int32"), "lengths": np.zeros(ROWS, "int32")}
    drawn = restless_model.generate(nothing, 48, SAMPLERS[name], masks=codec.masks)
    assert (drawn["lengths"] == 49).all() and (drawn["token_ids"][:, 1:] >= 3).all()
    for ids in drawn["token_ids"]:
        assert codec.decode(ids).reshape(-1).tolist() == (ids[1:] - 3).tolist()
