"""Shards that are not what they were: one line that names the file, and status 2."""

import json
import shutil

import pytest
import tensorflow as tf

from pipelines import evaluate, generate, train
from pipelines.data import order
from pipelines.prepare import encoders, tokenizer
from savedmodels import export
from tests.pipelines import runs, shards


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Sets of bytes and of pieces of words, and two tokenizers."""
    folder = tmp_path_factory.mktemp("sets")
    for split in ("train", "validation"):
        shards.write_books(folder / "books", (300, 200, 400), split)
    shards.prepare(folder / "books", folder / "bytes", shard_bytes=300)
    for name, size in (("a", 300), ("b", 295)):
        tokenizer.train(str(folder / "books"), str(folder / f"{name}.model"), size, 1000)
    # Of the size of the first, from other text.
    tokenizer.train(str(folder / "books/validation"), str(folder / "c.model"), 300, 1000)
    encoder = encoders.make_encoder("pg19", tokenizer=str(folder / "a.model"))
    shards.prepare(folder / "books", folder / "pieces", encoder=encoder)
    return folder


def flags(folder, model_dir):
    binding = runs.bind(*runs.TINY, f"DATA = '{folder}'")
    return ["--gin_file=gin/runs/pg19_tiny.gin", *binding, f"--model_dir={model_dir}"]


def truncate(path, _):
    path.write_bytes(path.read_bytes()[:-5])


def flip(path, _):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path, _):
    path.unlink()


def set_version(path, _):
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))


def tear(path, _):
    path.write_text(path.read_text()[:100])


def shorten(path, _):
    content = json.loads(path.read_text())
    content["splits"]["train"][0]["document_tokens"] = [1, 2]
    content["splits"]["train"][0]["documents"] = 3
    path.write_text(json.dumps(content))


def replace(path, folders):
    shutil.copyfile(folders / "b.model", path)


FAULTS = [
    ("bytes", "train-00001-of-00003.tfrecord", truncate, "bytes instead of"),
    ("bytes", "train-00001-of-00003.tfrecord", remove, "is missing"),
    ("bytes", "validation-00002-of-00003.tfrecord", truncate, "bytes instead of"),
    ("bytes", "validation-00002-of-00003.tfrecord", remove, "is missing"),
    ("bytes", "manifest.json", set_version, "has version 99, this program reads 1"),
    ("bytes", "manifest.json", tear, "is torn"),
    ("bytes", "manifest.json", shorten, "is torn"),
    ("bytes", "manifest.json", remove, "holds no manifest.json"),
    ("pieces", "tokenizer.model", replace, "not the file that the shards were made with"),
    ("pieces", "tokenizer.model", flip, "not the file that the shards were made with"),
    ("pieces", "tokenizer.model", remove, "tokenizer.model"),
]


@pytest.mark.parametrize(("kind", "file", "damage", "message"), FAULTS)
def test_before_anything_is_written(folders, tmp_path, capsys, kind, file, damage, message):
    folder = shutil.copytree(folders / kind, tmp_path / "set")
    damage(folder / file, folders)
    arguments = flags(folder, tmp_path / "run")
    line = runs.refusal(capsys, train.main, *arguments, "--mode=train_and_evaluate")
    assert str(folder) in line and file in line and message in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_flipped_byte_is_found_by_reading(folders, tmp_path, split):
    # In a process of its own: what TensorFlow's threads print counts too.
    folder = shutil.copytree(folders / "bytes", tmp_path / "set")
    file = f"{split}-00001-of-00003.tfrecord"
    flip(folder / file, None)
    arguments = flags(folder, tmp_path / "run")
    process = runs.start("pipelines.train", *arguments, "--mode=train_and_evaluate")
    status, _, err = runs.finish(process)
    lines = [line for line in err.splitlines() if not line.startswith("evaluat")]  # progress
    assert status == 2, err
    assert "is damaged" in runs.error_line("\n".join(lines) + "\n")
    assert str(folder / file) in lines[0]


def test_documents_of_other_lengths_than_the_manifest_says_are_named(folders, tmp_path, capsys):
    # Every checksum is right, and so are the sums.
    folder = shutil.copytree(folders / "pieces", tmp_path / "set")
    content = json.loads((folder / "manifest.json").read_text())
    (shard,) = content["splits"]["train"]
    assert len(set(shard["document_tokens"])) > 1
    shard["document_tokens"] = shard["document_tokens"][1:] + shard["document_tokens"][:1]
    (folder / "manifest.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert runs.call(train.main, *flags(folder, tmp_path / "run")) == 2
    line = capsys.readouterr().err
    assert str(folder / shard["file"]) in runs.error_line(line)
    assert "does not hold what its manifest says" in line


def test_a_bucket_that_breaks_off_is_no_bad_input(folders, tmp_path, capsys, monkeypatch):
    # The second window cannot be read, and after a while it can.
    of_window = order.of_window

    def fail(window):
        if window > 0:
            raise ConnectionError("the bucket is away")
        return window

    def broken(*arguments):
        window = tf.ensure_shape(tf.py_function(fail, arguments[-1:], tf.int64), ())
        return of_window(*arguments[:-1], window)

    arguments = [*flags(folders / "bytes", tmp_path / "run"), *runs.bind("STEPS = 40")]
    with monkeypatch.context() as patch:
        patch.setattr(order, "of_window", broken)
        assert runs.call(train.main, *arguments) == 1
    line = runs.error_line(capsys.readouterr().err)
    assert "the bucket is away" in line
    assert line.endswith("the same command goes on from the last checkpoint\n")
    assert runs.call(train.main, *arguments) == 0
    assert "step 27 of 40" in capsys.readouterr().out


def test_a_run_goes_on_with_its_own_shards_alone(folders, tmp_path, capsys):
    run = tmp_path / "run"
    shards.write_books(tmp_path / "others", (300, 200, 400), "train", seed=1)
    shards.write_books(tmp_path / "others", (30, 20), "validation", seed=1)
    shards.prepare(tmp_path / "others", tmp_path / "other")
    moved = shutil.copytree(folders / "bytes", tmp_path / "moved")
    runs.save_untrained(run, flags(folders / "bytes", run)[:-1], step=6)
    before = runs.fingerprints(run)
    line = runs.refusal(capsys, train.main, *flags(tmp_path / "other", run))
    assert str(run) in line and "other shards" in line and "choose another --model_dir" in line
    assert runs.fingerprints(run) == before
    # Elsewhere they are the same; and others may be measured.
    assert runs.call(train.main, *flags(moved, run)) == 0
    data = runs.bind(f"DATA = '{tmp_path / 'other'}'")
    assert runs.call(evaluate.main, *data, f"--model_dir={run}") == 0


@pytest.mark.parametrize("main", [train.main, evaluate.main, generate.main, export.main])
def test_ids_of_another_tokenizer_are_refused(folders, tmp_path, capsys, main):
    # As many pieces, but others.
    encoder = encoders.make_encoder("pg19", tokenizer=str(folders / "c.model"))
    shards.prepare(folders / "books", tmp_path / "set", encoder=encoder)
    run, output = tmp_path / "run", tmp_path / "output"
    arguments = flags(folders / "pieces", run)
    runs.save_untrained(run, arguments[:-1])
    data = runs.bind(f"DATA = '{tmp_path / 'set'}'")
    more = arguments[:-1] if main is train.main else []
    if main is export.main:
        more = [f"--output={output}"]
    line = runs.refusal(capsys, main, *more, *data, f"--model_dir={run}")
    assert "another codec" in line and "codec.sha256 is" in line
    assert not output.exists()


@pytest.mark.parametrize("how", ["none", "all skipped"])
def test_an_empty_split_is_named(tmp_path, capsys, how):
    shards.write_books(tmp_path / "books", (300,))
    if how == "all skipped":
        (tmp_path / "books/validation").mkdir()
        (tmp_path / "books/validation/bad.txt").write_bytes(b"\xff")
    shards.prepare(tmp_path / "books", tmp_path / "set")
    arguments = flags(tmp_path / "set", tmp_path / "run")
    line = runs.refusal(capsys, train.main, *arguments, "--mode=train_and_evaluate")
    assert str(tmp_path / "set") in line and "no document of the split 'validation'" in line
    assert not (tmp_path / "run").exists()
    runs.save_untrained(tmp_path / "run", arguments[:-1])
    line = runs.refusal(capsys, evaluate.main, arguments[-1], "--split=test")
    assert str(tmp_path / "set") in line and "no document of the split 'test'" in line
