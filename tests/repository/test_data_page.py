"""Every command of docs/data.md runs, at a small size."""

import pytest

from tests.pipelines.prepare.test_encoders import write_images, write_music
from tests.repository import pages

pytestmark = pytest.mark.slow

TEXT = """It was a dark and stormy night; the rain fell in torrents, except at occasional intervals,
when it was checked by a violent gust of wind which swept up the streets, rattling along the
housetops, and fiercely agitating the scanty flame of the lamps that struggled against the darkness.
"""
SMALL = ("CONTEXT = 64", "LATENTS = 16", "STEPS = 2", "PerceiverARBackbone.num_layers = 1")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Two books, six images and three performances."""
    folder = tmp_path_factory.mktemp("raw")
    for split in ("train", "validation"):
        (folder / "books" / split).mkdir(parents=True)
        (folder / "books" / split / "1.txt").write_text(TEXT * 100)
    for split in ("train_64x64", "valid_64x64"):
        write_images(folder / "images" / split, 3, 64)
    write_music(folder / "maestro")
    return folder


@pytest.fixture(scope="module")
def outputs(raw, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    places = {
        **{f"/path/to/{name}": raw / name for name in ("books", "images", "maestro")},
        "runs/shards": folder / "run",
        "shards/": f"{folder}/",
    }
    extra = {
        "pipelines.prepare tokenizer": ["--vocab_size=300"],
        "pipelines.train": [f"--gin_bindings={binding}" for binding in SMALL],
        "pipelines.generate": ["--max_new_tokens=20"],
        "pipelines.benchmark input_pipeline": ["--runs=1", "--batches=1", "--context=64"],
    }
    page = repository / "docs" / "data.md"
    return folder, pages.run_commands(page, repository, places, extra)


def test_every_command_runs(outputs):
    folder, ran = outputs
    kinds = [f"{name} {rest[0]}" if rest[0][0] != "-" else name for name, rest, _ in ran]
    assert kinds == [
        *["pipelines.prepare"] * 3,
        "pipelines.prepare tokenizer",
        "pipelines.prepare",
        *["pipelines.prepare inspect"] * 2,
        "pipelines.train",
        "pipelines.generate",
        "pipelines.benchmark input_pipeline",
    ]
    for name in ("books", "images", "maestro", "pieces"):
        assert (folder / name / "manifest.json").exists()


def test_what_they_print(outputs):
    folder, ran = outputs
    books, _, generated = (ran[index][2] for index in (5, 6, 8))
    assert "It was a dark" in books
    assert generated.startswith("It was ")
    assert list((folder / "maestro-examples").glob("*.mid"))
