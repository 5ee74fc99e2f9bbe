"""Every command and example of docs/data.md runs, at a small size."""

import itertools
import re
import sys
import wave

import numpy as np
import pytest
from PIL import Image

from keras_perceiver_ar.codecs import event_ids, performance_codec
from pipelines import image_files, midi_files
from tests.pipelines.prepare.test_encoders import write_images, write_music
from tests.repository import pages

pytestmark = pytest.mark.slow

TEXT = """It was a dark and stormy night; the rain fell in torrents, except at occasional intervals,
when it was checked by a violent gust of wind which swept up the streets, rattling along the
housetops, and fiercely agitating the scanty flame of the lamps that struggled against the darkness.
"""
SIZE = 8  # of images
SMALL = ("CONTEXT = 64", "LATENTS = 16", "STEPS = 2", "PerceiverARBackbone.num_layers = 1")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Two books, six images and three performances."""
    folder = tmp_path_factory.mktemp("raw")
    for split in ("train", "validation"):
        (folder / "books" / split).mkdir(parents=True)
        (folder / "books" / split / "1.txt").write_text(TEXT * 100)
    for split in ("train_64x64", "valid_64x64"):
        write_images(folder / "images" / split, 3, SIZE)
    write_music(folder / "maestro")
    return folder


@pytest.fixture(scope="module")
def outputs(raw, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    places = {
        **{f"/path/to/{name}": raw / name for name in ("books", "images", "maestro")},
        "/path/to/a.midi": raw / "maestro/2004/0.midi",
        "/path/to/a.png": raw / "images/train_64x64/0.png",
        "--keep_rows=32": "--keep_rows=1",
        **{f"runs/{name}": folder / f"run-{name}" for name in ("shards", "images", "music")},
        "savedmodels/": f"{folder}/exported-",
        "steps=200": "steps=2",
        "num_layers=2, width=128": "num_layers=1, width=32",
        "shards/": f"{folder}/",
    }
    extra = {
        "pipelines.prepare tokenizer": ["--vocab_size=300"],
        "pipelines.prepare --dataset=imagenet64": [f"--image_size={SIZE}"],
        "pipelines.train": [f"--gin_bindings={binding}" for binding in SMALL],
        "pipelines.generate": ["--max_new_tokens=20"],
        "pipelines.benchmark input_pipeline": ["--runs=1", "--batches=1", "--context=64"],
    }
    page = repository / "docs" / "data.md"
    ran = pages.run_commands(page, repository, places, extra)
    for example in pages.blocks(page, "python"):
        for place, stand_in in places.items():
            example = example.replace(place, str(stand_in))
        shown = pages.run([sys.executable, "-c", example], repository, cwd=repository)
        ran.append(("python", [example], shown))
    return folder, ran


def test_every_command_runs(outputs):
    folder, ran = outputs
    ran = [each for each in ran if each[0] != "python"]
    kinds = [f"{name} {rest[0]}" if rest[0][0] != "-" else name for name, rest, _ in ran]
    assert kinds == [
        *["pipelines.prepare"] * 3,
        "pipelines.prepare tokenizer",
        "pipelines.prepare",
        *["pipelines.prepare inspect"] * 2,
        *["pipelines.train", "pipelines.generate"] * 2,
        *["pipelines.generate"] * 2,
        *["pipelines.train", "pipelines.generate", "pipelines.generate"],
        "pipelines.evaluate",
        "savedmodels.export",
        "pipelines.prepare",
        "pipelines.benchmark input_pipeline",
    ]
    for name in ("books", "images", "maestro", "pieces"):
        assert (folder / name / "manifest.json").exists()
    assert (folder / "books-npy/npy.json").exists()


def test_what_they_print(outputs):
    folder, ran = outputs
    books, _, generated = (ran[index][2] for index in (5, 6, 8))
    assert "It was a dark" in books
    assert generated.startswith("It was ")
    assert list((folder / "maestro-examples").glob("*.mid"))
    *_, (kind, _, measured) = ran
    # Two steps away from a guess, at which each of 259 ids is as likely: 8.02 bits.
    bits = re.search(r"^([\d.]+) bits per byte$", measured, re.MULTILINE)
    assert kind == "python" and 5 < float(bits[1]) < 8.1


def test_what_they_draw_and_play(raw, outputs):
    folder, _ = outputs
    assert image_files.read(folder / "run-images/drawn.png", SIZE).any()
    nine, completed = (Image.open(folder / f"run-images/{n}.png") for n in ("nine", "completed"))
    assert nine.size == (3 * SIZE + 4,) * 2 and completed.size == (2 * SIZE + 2,) * 2
    given = np.asarray(Image.open(raw / "images/train_64x64/0.png"))
    assert (np.asarray(completed)[0, :SIZE] == given[0]).all()
    with wave.open(str(folder / "run-music/played.wav")) as file:
        assert file.getframerate() == 44100
    assert Image.open(folder / "run-music/played.png").size == (800, 500)
    names = [path.name for path in (folder / "run-music").glob("*.mid")]
    assert sorted(names) == ["continued.mid", "played.mid", "served.mid"]
    prompt = midi_files.read(folder / "run-music/continued.mid")[:4]
    assert prompt["pitch"].tolist() == [60, 61, 62, 63]


def test_the_ids_of_music_are_those_of_the_codec(repository):
    page = (repository / "docs/data.md").read_text()
    found = re.findall(r"^\| (\d+) … (\d+) \|", page, re.MULTILINE)
    names = ("NOTE_ON", "NOTE_OFF", "TIME_SHIFT", "VELOCITY", "VOCAB_SIZE")
    first = [getattr(performance_codec, name) for name in names]
    wanted = [(low, high - 1) for low, high in itertools.pairwise(first)]
    assert [tuple(map(int, pair)) for pair in found] == wanted
    assert (event_ids.PAD, event_ids.EOS, event_ids.SOS) == (0, 1, 2)
