"""Windows of documents as the original cuts them, as numbers and as rows of both text tasks.

All of it comes from one document, "ABCDEFGHIJ": 12 events with SOS and EOS. The original's files
differ from ours in what is written here, and in nothing else:
- A crop of C events is a row of C − 1 inputs and the targets of all of them.
- Crops for evaluation come last one first, and only those of `minimum_crop_length` events or more;
  ours come first one first, and all of them do, since every target is to be scored.
- A file has all targets of a row, and the original scores those that its latents or its block of
  the row's end hold; ours labels those alone.
- A row of text has positions of its own here, 1, 2, …; the original's say where it was cut. Our
  windows say the same by `start`.
"""

from pathlib import Path

import numpy as np
import pytest

from pipelines.data import BooksTask, RandomCrop, ShardsTask
from pipelines.data.windows import block_windows, crop_range
from tests.pipelines import shards

FOLDER = Path(__file__).parent / "windows"
TEXT = "ABCDEFGHIJ"
EVENTS = np.array([2, *range(68, 78), 1], np.int32)
COPIES = 3  # of the document, in shards of their own

# File, rows of a batch, targets of a block.
BLOCKS = [
    ("block_eval_w1_c16", 8, 1),
    ("block_eval_w4_c6", 4, 4),
    ("block_eval_w5_c8", 2, 5),
    ("v_block_eval", 2, 4),  # by a model of six latents: the block decides, not they
]
# File, events of the shortest crop; None: without SOS, which no task of ours leaves out.
CROPS = [
    ("eval_crops_c15_min0", 0),
    ("eval_crops_c15_min5", 5),
    ("eval_crops_c8_min6", 6),
    ("eval_crops_c5_min1_2d", 1),
    ("eval_crops_c5_nosos", None),
]


def load(name):
    """Arrays of a file, the rows of all batches one after the other."""
    columns = {}
    with np.load(FOLDER / f"{name}.npz") as arrays:
        batch_dims = arrays["batch0/input_length" if "crops" in name else "batch0/inputs"].ndim
        batch_dims -= "crops" not in name
        for key in arrays:
            rows = arrays[key].reshape(-1, *arrays[key].shape[batch_dims:])
            columns.setdefault(key.split("/")[1], []).append(rows)
    return {key: np.concatenate(rows) for key, rows in columns.items()}


@pytest.fixture(scope="module", params=[BooksTask, ShardsTask])
def tasks(request, tmp_path_factory):
    """Makes a task of so many copies of the document, as its train and its test split."""
    folder = tmp_path_factory.mktemp("golden")

    def make(copies, **options):
        books, place = folder / f"books{copies}", folder / f"shards{copies}"
        for split in ("train", "test"):
            (books / split).mkdir(parents=True, exist_ok=True)
            for number in range(copies):
                if not (books / split / f"{number}.txt").exists():  # else it would be another one
                    (books / split / f"{number}.txt").write_text(TEXT)
        if request.param is BooksTask:
            return BooksTask(books, **options)
        made = shards.prepare(books, place, shard_bytes=1)
        assert [len(made.splits[split]) for split in ("train", "test")] == [copies] * 2
        return ShardsTask(place, **options)

    return make


def evaluation_rows(task, context, batch_size, num_latents):
    """Ids and labels of all rows of the test split, those that fill up the last batch too."""
    batches = list(task.evaluation_dataset("test", context, batch_size, num_latents))
    ids, labels = zip(*((x["token_ids"].numpy(), y.numpy()) for x, y in batches))
    return np.concatenate(ids), np.concatenate(labels)


def scored_targets(golden, num_latents):
    """The golden targets that count: those at the last inputs of each row."""
    inputs, targets = golden["inputs"], golden["targets"]
    length = np.count_nonzero(inputs, axis=1)[:, None]
    return np.where(np.arange(inputs.shape[1]) >= length - num_latents, targets, 0)


@pytest.mark.parametrize(("name", "batch_size", "num_latents"), BLOCKS)
def test_windows_are_the_golden_blocks(name, batch_size, num_latents):
    golden = load(name)
    context = golden["inputs"].shape[1]
    found = block_windows(EVENTS.size, context, num_latents)
    number = found.start.size
    assert number == -(-(EVENTS.size - 1) // num_latents)
    place = np.arange(context)
    valid = place < found.length[:, None]
    event = np.where(valid, found.start[:, None] + place, 0)
    # Positions count from 1; `input_lengths` are those of the events that each input can see.
    for key, wanted in (
        ("inputs", EVENTS[event]),
        ("targets", EVENTS[event + 1]),
        ("input_idxs", event + 1),
        ("input_lengths", event + 1),
    ):
        rows = golden[key].reshape(-1, context)
        np.testing.assert_array_equal(rows[:number], np.where(valid, wanted, 0), err_msg=key)
        assert not rows[number:].any()
    counted = np.count_nonzero(scored_targets(golden, num_latents), axis=1)
    assert counted[:number].tolist() == found.scored.tolist()


@pytest.mark.parametrize(("name", "batch_size", "num_latents"), BLOCKS)
def test_rows_are_the_golden_blocks(tasks, name, batch_size, num_latents):
    golden = load(name)
    context = golden["inputs"].shape[1]
    ids, labels = evaluation_rows(tasks(1), context, batch_size, num_latents)
    np.testing.assert_array_equal(ids, golden["inputs"])  # and as many to fill up the batch
    np.testing.assert_array_equal(labels, scored_targets(golden, num_latents))
    assert labels[labels > 0].tolist() == EVENTS[1:].tolist()  # each target, once, in order


@pytest.mark.parametrize(("name", "batch_size", "num_latents"), BLOCKS)
def test_rows_of_several_documents_are_those_of_each(tasks, name, batch_size, num_latents):
    golden = load(name)
    context = golden["inputs"].shape[1]
    number = np.count_nonzero(golden["inputs"].any(axis=1))
    ids, labels = evaluation_rows(tasks(COPIES), context, batch_size, num_latents)
    wanted = golden["inputs"][:number], scored_targets(golden, num_latents)[:number]
    for rows, one in zip((ids, labels), wanted):
        np.testing.assert_array_equal(rows[: COPIES * number], np.tile(one, (COPIES, 1)))
        assert not rows[COPIES * number :].any()


def test_the_original_counts_as_many_targets_of_a_batch():
    # `eval_num_examples` of v_block_eval/config.json, two rows a batch.
    counted = np.count_nonzero(scored_targets(load("v_block_eval"), 4), axis=1)
    assert counted.reshape(2, 2).sum(axis=1).tolist() == [7, 4]


@pytest.mark.parametrize(("name", "least"), CROPS)
def test_crops_are_rows_that_score_their_last_target(tasks, name, least):
    golden = load(name)
    crops = golden["events"][golden["input_length"] > 0][::-1]  # first one first
    if least is None:
        # SOS stands for the first target's only input: without it, the same crops a letter later.
        context = crops.shape[1]
        first = 0
    else:
        context = crops.shape[1] - 1
        first = max(least - 2, 0)  # crops that are shorter: one input and its target are two events
    ids, labels = evaluation_rows(tasks(1), context, 4, num_latents=1)
    number = EVENTS.size - 1
    assert not ids[number:].any() and not labels[number:].any()
    ids, labels = ids[first:number], labels[first:number]
    length = np.count_nonzero(ids, axis=1)
    assert len(ids) == len(crops)
    for row, label, size, crop in zip(ids, labels, length, crops):
        assert np.flatnonzero(label).tolist() == [size - 1]
        row = np.concatenate([row[:size], label[size - 1 : size]])
        if least is None:
            row = row[-context:]
            row = row[row != 2]
        assert row.tolist() == crop[crop > 0].tolist()
    # `input_length` is the number of the event at which the crop ends, whatever it leaves out.
    ends = golden["input_length"][golden["input_length"] > 0][::-1]
    assert ends.tolist() == list(range(first + 2 - (least is None), number + 2 - (least is None)))


@pytest.mark.parametrize("tasks", [ShardsTask], indirect=True)  # books have crops of their own
@pytest.mark.parametrize(("capacity", "least"), [(10, 5), (15, 20), (5, 3)])
def test_training_rows_are_the_golden_crops(tasks, capacity, least):
    with np.load(FOLDER / f"train_crops_c{capacity}_min{least}.npz") as arrays:
        expected = {tuple(event for event in row if event) for row in arrays["events"].tolist()}
    first, last = crop_range(EVENTS.size, least - 1)
    ends = range(first, last + 1)
    assert len(ends) == len(expected)
    assert {tuple(EVENTS[max(0, end + 1 - capacity) : end + 1]) for end in ends} == expected
    found = set()
    task = tasks(1, crop=RandomCrop(least - 1), targets_per_example=1)
    for inputs, labels in task.train_dataset(capacity - 1, 64, seed=0).take(8):
        for row, label in zip(inputs["token_ids"].numpy(), labels.numpy()):
            size = np.count_nonzero(row)
            assert (label[:size] > 0).all() and (row[1:size] == label[: size - 1]).all()
            found.add((*row[:size].tolist(), int(label[size - 1])))
    assert found == expected


def test_the_copies_are_the_files_beside_the_clone(shared):
    names = sorted(path.name for path in FOLDER.iterdir())
    assert len(names) == len(BLOCKS) + len(CROPS) + 3
    for name in names:
        if name == "v_block_eval.npz":  # but for the logits
            golden = shared / "golden" / "v_block_eval" / "batches.npz"
            with np.load(FOLDER / name) as copy, np.load(golden) as original:
                assert {key for key in original if "logits" not in key} == set(copy)
                for key in copy:
                    np.testing.assert_array_equal(copy[key], original[key])
        else:
            golden = shared / "golden" / "s_data" / name
            assert (FOLDER / name).read_bytes() == golden.read_bytes()
