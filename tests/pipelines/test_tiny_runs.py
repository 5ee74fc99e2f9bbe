"""Every small run trains, at its own size."""

import json

import pytest

from pipelines import train
from pipelines.prepare import encoders
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import write_images, write_music

pytestmark = pytest.mark.slow

TINY = [
    *sorted((runs.ROOT / "gin/runs").glob("*_tiny.gin")),
    runs.ROOT / "gin/runs/pg19_bytes_cpu.gin",
]
STEPS = 20


def write_data(kind, folder):
    """A folder of what a run reads."""
    if kind.startswith(("text", "pg19_bytes")):
        return runs.write_books(folder / "books")
    if kind.startswith("imagenet64"):
        write_images(folder / "images/train", 4, 64)
        write_images(folder / "images/valid", 1, 64)
        order = "rgb" if "rgb" in kind else "raster"
        encoder = encoders.make_encoder("imagenet64", order=order)
        shards.prepare(folder / "images", folder / "shards", dataset="imagenet64", encoder=encoder)
    elif kind.startswith("maestro"):
        write_music(folder / "music")
        shards.prepare(folder / "music", folder / "shards", dataset="maestro")
    else:
        runs.write_books(folder / "books")
        shards.prepare(folder / "books", folder / "shards")
    return folder / "shards"


@pytest.mark.parametrize("file", TINY, ids=lambda file: file.stem)
def test_it_takes_twenty_steps(file, tmp_path):
    # One row: what a step takes of two cores is no test.
    bindings = [f"STEPS = {STEPS}", "WARMUP_STEPS = 4", "DECAY_STEPS = 16", "BATCH_SIZE = 1"]
    if "DATA" in file.read_text():
        bindings.append(f"DATA = '{write_data(file.stem, tmp_path)}'")
    flags = [f"--gin_file=gin/runs/{file.name}", *runs.bind(*bindings)]
    assert runs.call(train.main, *flags, f"--model_dir={tmp_path / 'run'}") == 0
    lines = (tmp_path / "run/train_log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert [record["step"] for record in log] == list(range(1, STEPS + 1))
    assert not any(record["skipped"] for record in log)
    # What is random cannot be learnt in so few steps; but every step after the first is one.
    assert len({record["loss"] for record in log[1:]}) == STEPS - 1
    assert all(record["gradient_norm"] > 0 for record in log)
