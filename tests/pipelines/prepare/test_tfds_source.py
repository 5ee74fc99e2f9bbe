"""Sets of TensorFlow Datasets by name: every example comes back from the shards as it was."""

import pickle

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines import image_files
from pipelines.command_line import run
from pipelines.data import ShardsTask, manifest
from pipelines.errors import UserError
from pipelines.prepare import encoders, job, tfds_source, tokenizer
from pipelines.prepare.__main__ import main
from tests.pipelines import tfds_sets
from tests.pipelines.shards import records

TEXT, IMAGE = tfds.features.Text, tfds.features.Image
EMPTY = 17


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data directory, and the builders of the sets in it."""
    folder = tmp_path_factory.mktemp("data")
    texts = {
        "train": [f"Book {n}:\r\n" + "Gänse  im Gras. " * (n % 9 + 1) for n in range(60)],
        "validation": ["one\n", "two words\n", "and three words"],
        "more": ["of no split that we know"] * 3,
    }
    texts["train"][EMPTY] = " \n"
    examples = {
        split: [{"book_title": f"Title {n}", "book_text": text} for n, text in enumerate(some)]
        for split, some in texts.items()
    }
    features = {"book_title": TEXT(), "book_text": TEXT()}
    draw = np.random.default_rng(0)
    pictures = {
        split: [
            {"image": image, "label": n % 3}
            for n, image in enumerate(draw.integers(0, 256, (number, 4, 4, 3), "uint8"))
        ]
        for split, number in (("train", 20), ("validation", 3))
    }
    labelled = {"image": IMAGE(shape=(4, 4, 3)), "label": np.int64}
    strange = {"title": tf.string, "body": TEXT(), "scan": IMAGE(), "n": np.int64}
    one = {"title": "T", "body": "the body", "scan": np.zeros((2, 2, 3), "uint8"), "n": 1}
    return folder, {
        "tiny_books": tfds_sets.build(folder, "tiny_books", features, examples, files=3),
        "tiny_images": tfds_sets.build(folder, "tiny_images", labelled, pictures, "4x4", files=2),
        "strange": tfds_sets.build(folder, "strange", strange, {"train": [one]}),
        "numbers": tfds_sets.build(folder, "numbers", {"n": np.int64}, {"train": [{"n": 1}]}),
        "others": tfds_sets.build(folder, "others", {"text": TEXT()}, {"dev": [{"text": "x"}]}),
    }


def prepare(data, dataset, output, *more):
    main([f"--dataset=tfds:{dataset}", f"--input={data[0]}", f"--output={output}", *more])
    return manifest.load(str(output))


def found(output, made):
    """dict of name to what the shards hold of it."""
    task = ShardsTask(output)
    return {name: task.decode(tokens) for _, name, tokens in records(output, made)}


def texts(data, split="train"):
    return {
        f"{split}[{n}]": example["book_text"].decode()
        for n, example in enumerate(tfds_sets.examples(data[1]["tiny_books"], split))
    }


def test_texts_come_back(data, tmp_path, capsys):
    made = prepare(data, "tiny_books", tmp_path / "out", "--shard_megabytes=0.002")
    assert (made.dataset, made.codec) == ("tfds:tiny_books/1.0.0", {"name": "bytes"})
    assert list(made.splits) == ["train", "validation"]
    assert len(made.splits["train"]) > 3  # its ranges lie across the three files of the set
    wanted = texts(data) | texts(data, "validation")
    (empty,) = [name for name, text in wanted.items() if text.isspace()]
    assert found(tmp_path / "out", made) == {k: v for k, v in wanted.items() if k != empty}
    skipped = {name: why for shard in made.splits["train"] for name, why in shard.skipped.items()}
    assert skipped == {empty: f"'{empty}' is empty or only white space"}
    err = capsys.readouterr().err
    assert f"skipped {empty}" in err and "also has more: left out" in err
    kept = [text for name, text in texts(data).items() if name != empty]
    assert sum(shard.bytes for shard in made.splits["train"]) == sum(
        len(text.encode()) for text in kept
    )
    assert sum(shard.words for shard in made.splits["train"]) == sum(
        len(text.split()) for text in kept
    )


def test_again_is_no_work_and_other_ranges_hold_the_same(data, tmp_path, capsys, monkeypatch):
    made = prepare(data, "tiny_books:1.*.*", tmp_path / "out", "--shard_megabytes=0.002")
    other = prepare(data, "tiny_books", tmp_path / "other", "--shard_megabytes=0.005")
    assert len(other.splits["train"]) < len(made.splits["train"])
    assert found(tmp_path / "other", other) == found(tmp_path / "out", made)
    with pytest.raises(UserError, match="holds other shards"):
        prepare(data, "tiny_books", tmp_path / "out", "--shard_megabytes=0.005")
    monkeypatch.setattr(job, "write", None)
    capsys.readouterr()
    assert prepare(data, "tiny_books", tmp_path / "out", "--shard_megabytes=0.002") == made
    assert "complete already" in capsys.readouterr().err


def test_workers_or_not_the_bytes_are_the_same(data, tmp_path):
    """One shard after another here, some of them done before: as Beam's threads write them."""
    prepare(data, "tiny_books", tmp_path / "beam", "--shard_megabytes=0.002")
    source = tfds_source.find("tiny_books", str(data[0]), None, 0.002 * 2**20)
    encoder = encoders.make_encoder(source.encoding)

    def write(plans):
        for plan in reversed(pickle.loads(pickle.dumps(plans))):
            job.write(plan, encoder)

    def stop(plans):
        write(plans[::2])
        raise KeyboardInterrupt

    options = {"shard_bytes": 0.002 * 2**20, "seed": 0, "strict": False}
    for write_all in (stop, write):
        arguments = (source.dataset, source.documents, encoder, str(tmp_path / "out"))
        try:
            job.prepare(*arguments, **options, write_all=write_all)
        except KeyboardInterrupt:
            assert not manifest.is_set(str(tmp_path / "out"))
    names = {file.name for file in (tmp_path / "beam").iterdir()}
    assert names == {file.name for file in (tmp_path / "out").iterdir()}
    for name in names:
        assert (tmp_path / "beam" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize("size", [4, 2])
def test_images_come_back(data, tmp_path, size):
    made = prepare(data, "tiny_images/4x4", tmp_path / "out", f"--image_size={size}")
    assert made.dataset == "tfds:tiny_images/4x4/1.0.0"
    assert made.codec == {"name": "image", "size": size, "order": "raster"}
    there = found(tmp_path / "out", made)
    assert len(there) == 23
    for split in ("train", "validation"):
        for n, example in enumerate(tfds_sets.examples(data[1]["tiny_images"], split)):
            image = example["image"]
            if size == 2:
                image_files.write_grid(image[None], tmp_path / "file.png")
                image = image_files.read(tmp_path / "file.png", 2)
            assert np.array_equal(there[f"{split}[{n}]"], image)


def test_a_broken_image_is_left_out_and_named(tmp_path):
    def png(value):
        return tf.io.encode_png(np.full((4, 4, 3), value, "uint8")).numpy()

    images = [{"image": png(n), "label": n} for n in range(4)]
    images[2]["image"] = images[2]["image"][:40]
    features = {"image": IMAGE(), "label": np.int64}
    tfds_sets.build(tmp_path, "torn_images", features, {"train": images})
    made = prepare((tmp_path, None), "torn_images", tmp_path / "out", "--image_size=4")
    (shard,) = made.splits["train"]
    assert shard.documents == 3
    ((name, why),) = shard.skipped.items()
    assert name.startswith("train[") and why.startswith(f"'{name}' is no JPEG")


def test_sentencepiece(data, tmp_path):
    lines = "\n".join(text for text in texts(data).values() if not text.isspace())
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text(lines)
    tokenizer.train(str(tmp_path / "text"), str(tmp_path / "a.model"), 288, 1000)
    bad = [{"text": "a \u2581 b"}, {"text": "Gänse im Gras"}, {"text": "Book"}]
    builder = tfds_sets.build(tmp_path, "bad_text", {"text": TEXT()}, {"train": bad})
    flags = [f"--tokenizer={tmp_path / 'a.model'}"]
    made = prepare((tmp_path, None), "bad_text", tmp_path / "out", *flags)
    assert made.codec["name"] == "sentencepiece"
    there = enumerate(tfds_sets.examples(builder, "train"))
    wanted = {f"train[{n}]": example["text"].decode() for n, example in there}
    (left_out,) = [name for name, text in wanted.items() if "\u2581" in text]
    (shard,) = made.splits["train"]
    assert "holds U+2581" in shard.skipped.pop(left_out) and not shard.skipped
    del wanted[left_out]
    assert found(tmp_path / "out", made) == wanted


@pytest.mark.parametrize(("feature", "codec"), [("body", "bytes"), ("scan", "image")])
def test_a_feature_of_another_name(data, tmp_path, feature, codec):
    flags = [f"--feature={feature}", *(["--image_size=2"] if codec == "image" else [])]
    made = prepare(data, "strange", tmp_path / "out", *flags)
    assert made.codec["name"] == codec
    (document,) = found(tmp_path / "out", made).values()
    assert np.array_equal(document, np.zeros((2, 2, 3)) if codec == "image" else "the body")
    with pytest.raises(UserError, match="holds other shards"):
        prepare(data, "strange", tmp_path / "out", "--feature=title")


@pytest.mark.parametrize(
    ("dataset", "more", "message"),
    [
        ("pg9", [], r"knows no 'pg9', and '.*' holds none: did you mean pg19\?"),
        ("zzzzzzzzzzz", [], r"holds none: see `tfds.list_builders\(\)`"),
        ("pg19", [], "'pg19' is not prepared in '.*', and nothing .*: run `tfds build pg19 --data"),
        ("tiny_images/8x8", [], r"is not prepared .* \(of it there is 4x4\), and nothing"),
        ("tiny_books:2.0.0", [], "is not prepared .* there is 1.0.0"),
        ("huggingface:squad", [], "is not prepared"),
        ("", [], "--dataset=tfds: names no set"),
        ("a b", [], "--dataset=tfds:a b names no set"),
        ("tiny_books", ["--feature=text"], "has no text or image 'text': .* from book_text .text"),
        ("strange", [], r"book_text, text, image: choose .* body \(text\), scan \(image\), title"),
        ("strange", ["--feature=n"], "has no text or image 'n'"),
        ("numbers", [], "holds neither text nor images"),
        ("others", [], r"no examples of train, validation, test \(its splits are dev\)"),
        ("tiny_books", ["--strict"], r"train\[\d+\]' is empty .*\(without --strict it is left"),
        ("tiny_books", ["--input=nowhere"], "no folder 'nowhere'"),
    ],
)
def test_bad_input_is_refused(data, tmp_path, dataset, more, message, monkeypatch, capsys):
    # Neither is anything made here, nor a public bucket asked for it.
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", None)
    monkeypatch.setattr(tfds.core.DatasetInfo, "initialize_from_bucket", None)
    with pytest.raises(UserError, match=message) as caught:
        prepare(data, dataset, tmp_path / "out", *more)
    assert not (tmp_path / "out/manifest.json").exists()

    def again():
        raise caught.value

    with pytest.raises(SystemExit) as status:
        run(again)
    assert status.value.code == 2 and capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_the_feature_of_a_folder_is_refused(tmp_path):
    flags = ["--dataset=text", f"--input={tmp_path}", f"--output={tmp_path / 'out'}"]
    with pytest.raises(UserError, match="--feature is of --dataset=tfds:… alone"):
        main([*flags, "--feature=text"])
