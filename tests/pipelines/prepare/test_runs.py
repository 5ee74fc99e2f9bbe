"""A tiny run of each kind: prepared shards are trained on, evaluated, and written by the model."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import evaluate, generate, midi_files, train
from pipelines.prepare import encoders
from savedmodels import export
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import SIZE, VALUES, write_images, write_music

pytestmark = pytest.mark.slow


def run(tmp_path, kind, *bindings):
    """Trains and evaluates; the figures."""
    flags = [
        f"--gin_file=gin/runs/{kind}_tiny.gin",
        *runs.bind(*runs.TINY, f"DATA = '{tmp_path / 'shards'}'", *bindings),
    ]
    model_dir = f"--model_dir={tmp_path / 'run'}"
    assert runs.call(train.main, *flags, model_dir) == 0
    assert runs.call(evaluate.main, model_dir, f"--output={tmp_path / 'figures.json'}") == 0
    return model_dir, json.loads((tmp_path / "figures.json").read_text())


def test_books(tmp_path, capsys):
    runs.write_books(tmp_path / "books")
    shards.prepare(tmp_path / "books", tmp_path / "shards")
    model_dir, figures = run(tmp_path, "pg19")
    sizes = [path.stat().st_size for path in (tmp_path / "books/validation").iterdir()]
    assert figures["targets"] == sum(sizes) + len(sizes)
    assert 7 < figures["bits_per_byte"] < 9
    words = sum(len(path.read_text().split()) for path in (tmp_path / "books/validation").iterdir())
    nats = figures["loss"] * figures["targets"]
    assert figures["word_perplexity"] == pytest.approx(math.exp(nats / words), rel=1e-4)
    assert runs.call(generate.main, model_dir, "--prompt=G", "--max_new_tokens=4") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("G")


def test_images(tmp_path):
    write_images(tmp_path / "images/train")
    write_images(tmp_path / "images/valid", 2)
    encoder = encoders.make_encoder("imagenet64", image_size=SIZE)
    shards.prepare(tmp_path / "images", tmp_path / "shards", dataset="imagenet64", encoder=encoder)
    sizes = (f"CONTEXT = {VALUES}", f"ROWS = ({SIZE + 2}, {SIZE + 2}, 5)")
    model_dir, figures = run(tmp_path, "imagenet64", *sizes)
    assert figures["targets"] == 2 * VALUES
    assert 7 < figures["bits_per_dim"] < 9
    assert runs.call(generate.main, model_dir) == 2  # it wants to know where to write
    output = tmp_path / "drawn.png"
    assert runs.call(generate.main, model_dir, f"--output={output}") == 0
    with Image.open(output) as image:
        assert image.size == (SIZE, SIZE)
        drawn = np.asarray(image)
    assert (drawn > 0).mean() > 0.9  # to the end
    check_export(tmp_path, model_dir, drawn)


def check_export(tmp_path, model_dir, drawn):
    """The exported model draws what the command drew."""
    assert runs.call(export.main, model_dir, f"--output={tmp_path / 'exported'}") == 0
    served = tf.saved_model.load(str(tmp_path / "exported/1"))
    result = served.signatures["generate"](
        token_ids=tf.constant([[2]]),
        lengths=tf.constant([1]),
        max_new_tokens=tf.constant([VALUES]),
        seed=tf.constant([0]),
        temperature=tf.constant([1.0]),
        top_p=tf.constant([0.95]),
    )
    ids = result["token_ids"].numpy()
    np.testing.assert_array_equal(ids[0, 1:] - 3, drawn.reshape(-1))


def test_music(tmp_path):
    write_music(tmp_path / "music")
    shards.prepare(tmp_path / "music", tmp_path / "shards", dataset="maestro")
    model_dir, figures = run(tmp_path, "maestro", "CONTEXT = 128")
    assert figures["loss"] < 7 and figures["targets"] > 16
    output = tmp_path / "played.mid"
    assert runs.call(generate.main, model_dir, f"--output={output}", "--seed=1") == 0
    assert midi_files.read(output)["pitch"].size > 0
