"""Every real file that there is comes back from the shards that the command makes of it."""

import numpy as np
import pytest
from PIL import Image

from pipelines import image_files, midi_files
from pipelines.data import ShardsTask
from pipelines.prepare.__main__ import main
from tests.pipelines import shards

pytestmark = pytest.mark.slow

STEP = 0.01  # seconds of the performance codec's grid
VELOCITIES = 4  # in a bin


@pytest.fixture(scope="module")
def prepare(shared, tmp_path_factory):
    """Runs the command on a folder of the real data; gives the task and the documents by name."""

    def run(source, dataset, *flags):
        output = tmp_path_factory.mktemp("out")
        folder = shared / "data" / source
        main([f"--dataset={dataset}", f"--input={folder}", f"--output={output}", *flags])
        task = ShardsTask(output)
        assert not any(s.skipped for group in task.manifest.splits.values() for s in group)
        found = list(shards.records(output, task.manifest))
        check_rows(task, found)
        return folder, task, found

    return run


def check_rows(task, found):
    """The rows that a model is evaluated on hold all documents, end to end."""
    end = [1] if task.manifest.ends else []
    for split in task.manifest.splits:
        wanted = np.concatenate([[*ids, *end] for place, _, ids in found if place == split])
        rows = task.evaluation_dataset(split, context=2048, batch_size=32, num_latents=2048)
        labels = np.concatenate([labels.numpy().reshape(-1) for _, labels in rows])
        np.testing.assert_array_equal(labels[labels > 0], wanted)


def check_names(folder, found, pattern):
    """Each file of the folder is there, once."""
    wanted = sorted(str(path.relative_to(folder)) for path in folder.rglob(pattern))
    assert wanted and sorted(name for _, name, _ in found) == wanted


@pytest.fixture(scope="module")
def model(shared, tmp_path_factory):
    """A tokenizer that the command has trained."""
    output = tmp_path_factory.mktemp("tokenizer") / "books.model"
    flags = (f"--input={shared / 'data/pg19'}", "--vocab_size=2000", "--sentences=5000")
    main(["tokenizer", *flags, f"--output={output}"])
    return output


@pytest.mark.parametrize("tokenizer", ["bytes", "model"])
def test_books(prepare, request, tokenizer):
    if tokenizer == "model":
        tokenizer = request.getfixturevalue("model")
    folder, task, found = prepare("pg19", "pg19", f"--tokenizer={tokenizer}", "--shard_megabytes=1")
    check_names(folder, found, "*.txt")
    for split, name, ids in found:
        assert name.startswith(f"{split}/")
        assert task.decode(ids).encode() == (folder / name).read_bytes()


@pytest.mark.parametrize("tokenizer", ["bytes", "model"])
def test_text_without_splits(prepare, request, tokenizer):
    # No normalisation: Wikitext is full of " @-@ " and of spaces at the ends of its lines.
    if tokenizer == "model":
        tokenizer = request.getfixturevalue("model")
    folder, task, found = prepare("wikitext2", "text", f"--tokenizer={tokenizer}")
    assert len(found) == 4
    parts = {(split, name): task.decode(ids).encode() for split, name, ids in found}
    for path in folder.glob("*.txt"):  # its beginning and its end
        whole = parts["train", path.name] + parts["validation", path.name]
        assert whole == path.read_bytes()


@pytest.mark.parametrize(("source", "order"), [("imagenet64", "raster"), ("free_images64", "rgb")])
def test_images_of_the_size_have_the_same_pixels(prepare, source, order):
    flags = (f"--order={order}", "--shard_megabytes=1")
    folder, task, found = prepare(source, "imagenet64", *flags)
    check_names(folder, found, "*.png")
    for split, name, ids in found:
        assert name.startswith(split[:5])  # train_64x64 and valid_64x64
        with Image.open(folder / name) as image:
            assert (image.size, image.mode) == ((64, 64), "RGB")
            np.testing.assert_array_equal(task.decode(ids), np.asarray(image), err_msg=name)


def test_images_of_another_size_are_those_that_are_read(prepare):
    folder, task, found = prepare("free_images64", "imagenet64", "--image_size=24")
    check_names(folder, found, "*.png")
    for _, name, ids in found:
        wanted = image_files.read(folder / name, 24)
        np.testing.assert_array_equal(task.decode(ids), wanted, err_msg=name)


def by_pitch(notes):
    return notes[np.lexsort((notes["onset"], notes["pitch"]))]


def test_performances_keep_their_notes_and_their_time(prepare):
    # From the start of the file to its last note: errors of time must not add up.
    folder, task, found = prepare("maestro", "maestro", "--shard_megabytes=0.2")
    check_names(folder, found, "*.midi")
    for _, name, ids in found:
        wanted, notes = by_pitch(midi_files.read(folder / name)), by_pitch(task.decode(ids))
        assert notes["pitch"].tolist() == wanted["pitch"].tolist(), name
        for time in ("onset", "offset"):
            assert np.abs(notes[time] - wanted[time]).max() <= STEP + 1e-9, (name, time)
        bins = [x["velocity"].astype(int) // VELOCITIES for x in (notes, wanted)]
        np.testing.assert_array_equal(*bins, err_msg=name)
