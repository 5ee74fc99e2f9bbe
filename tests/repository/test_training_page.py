"""Every command and example of docs/training.md runs, at a small size."""

import json
import sys

import pytest

from tests.pipelines import runs
from tests.repository import pages

pytestmark = pytest.mark.slow

SMALL = (*runs.TINY, *runs.TINY_COPY)


@pytest.fixture(scope="module")
def outputs(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    places = {f"{before}runs/": f"{before}{folder}/" for before in ("=", "'")}  # not gin/runs/
    small = ["--steps=2", "--runs=1", "--context=64", "--latents=16", "--layers=1", "--width=32"]
    extra = {
        "pipelines.train": [f"--gin_bindings={binding}" for binding in SMALL],
        "pipelines.benchmark runtime": small,
    }
    page = repository / "docs" / "training.md"
    ran = pages.run_commands(page, repository, places, extra)
    (example,) = pages.blocks(page, "python")
    command = [sys.executable, "-c", example.replace('"runs/', f'"{folder}/')]
    return (
        folder,
        [printed for _, _, printed in ran],
        pages.run(command, repository, cwd=repository),
    )


def test_the_commands_do_what_the_page_says(outputs):
    folder, (dry, trained, waited, warm, overhead), _ = outputs
    assert "steps to finish" in dry and "step 6/6" in trained
    assert "waiting for checkpoints" in waited  # the last one is known
    assert "weights match" in warm
    assert json.loads(overhead)["ratio"] > 0
    names = {path.name for path in (folder / "copy").iterdir()}
    assert names >= {"best", "evaluation", "evaluation_log.jsonl", "train_log.jsonl", "model.json"}
    assert (folder / "copy/best/best.json").exists()


def test_the_example_of_an_estimator(outputs):
    folder, _, printed = outputs
    assert len([line for line in printed.splitlines() if line.startswith("-")]) == 4
    log = (folder / "mine/train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [5, 10, 15, 20]
    assert (folder / "mine/exported/1/saved_model.pb").exists()
