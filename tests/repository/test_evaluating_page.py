"""Every command of docs/evaluating.md runs, on a tiny model."""

import json
import re

import pytest
from PIL import Image

from pipelines.data import codecs
from pipelines.data.copy_task import CopyTask
from pipelines.data.sentencepiece_text import SentencePieceText
from tests.pipelines import runs
from tests.repository import pages


@pytest.fixture(scope="module")
def folder(repository, tmp_path_factory):
    """A run of two checkpoints, and what the commands of the page have left in it."""
    folder = tmp_path_factory.mktemp("page")
    flags = runs.text_flags(runs.write_books(folder / "books"), "CONTEXT = 256", "LATENTS = 64")
    for step in (3, 6):
        runs.save_untrained(folder / "run", flags, step, scale=0.1 * step)
    places = {"runs/books": folder / "run"}
    ran = pages.run_commands(repository / "docs" / "evaluating.md", repository, places, {})
    assert [name for name, *_ in ran] == ["pipelines.evaluate"] * 4
    return folder / "run"


def read(path):
    return json.loads(path.read_text())


@pytest.mark.slow
def test_its_commands_do_what_the_page_says(folder):
    test, strided = read(folder / "test.json"), read(folder / "strided.json")
    assert (test["split"], test["stride"], strided["stride"]) == ("test", 64, 16)
    assert test["ci95"][0] < test["bits_per_byte"] < test["ci95"][1]
    curve, sweep = (read(folder / f"{name}.json")["results"] for name in ("curve", "sweep"))
    assert [each["step"] for each in curve] == [3, 6]
    found = [(each["num_latents"], each["context"]) for each in sweep]
    assert found == [(16, 128), (16, 256), (64, 128), (64, 256)]
    for name in ("test.png", "sweep.png"):
        assert Image.open(folder / name).format == "PNG"
    assert "<svg" in (folder / "curve.svg").read_text()


def test_the_table_has_every_metric_of_every_kind_of_data(repository):
    page = (repository / "docs" / "evaluating.md").read_text(encoding="utf-8")
    kinds = (codecs.ByteText, codecs.Image, codecs.Performance, SentencePieceText)
    wanted = {name for kind in kinds for name in kind.metrics} | {*CopyTask.evaluation_metrics}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == wanted
