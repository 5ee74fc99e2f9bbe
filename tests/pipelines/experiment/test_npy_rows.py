"""Rows out of .npy files are those of `ShardsTask`, and come without TensorFlow."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from pipelines.data import ShardsTask
from pipelines.errors import UserError
from pipelines.experiment.npy_rows import NpyRows
from pipelines.prepare import encoders, npy_writer
from tests.pipelines import shards
from tests.pipelines.prepare.test_encoders import write_images, write_music

KINDS = ("books", "images", "music")
CONTEXT = 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with both formats of each kind of data."""
    folder = tmp_path_factory.mktemp("sets")
    for split, sizes in (("train", (40, 9, 23, 5)), ("validation", (50, 31, 3))):
        shards.write_books(folder / "books/raw", sizes, split)
    for split in ("train", "valid"):
        write_images(folder / f"images/raw/{split}", 3)
    write_music(folder / "music/raw")
    datasets = zip(KINDS, ("pg19", "imagenet64", "maestro"), strict=True)
    for kind, dataset in datasets:
        options = {"dataset": dataset, "shard_bytes": 40}
        if kind == "images":
            options["encoder"] = encoders.make_encoder(dataset, image_size=4)
        shards.prepare(folder / kind / "raw", folder / kind / "shards", **options)
        prepare = npy_writer.prepare
        shards.prepare(folder / kind / "raw", folder / kind / "npy", **options, prepare=prepare)
    return folder


def flat(inputs, labels):
    """Rows as bytes: everything that a model is given."""
    columns = [np.asarray(each) for each in (*(inputs[name] for name in sorted(inputs)), labels)]
    assert all(column.dtype == np.int32 for column in columns)
    return [b"".join(each.tobytes() for each in row) for row in zip(*columns)]


def all_crops(folder, split, context, min_inputs=1, positions=None):
    """Every row that a crop can be, as `flat` has it, and how often."""
    task = ShardsTask(folder / "shards")
    every = []
    for of, _, ids in shards.records(folder / "shards", task.manifest):
        if of != split:
            continue
        events = [2, *ids.tolist(), *([1] if task.manifest.ends else [])]
        for end in range(min(min_inputs, len(events) - 1), len(events)):
            start = max(0, end - context)
            padding = [0] * (context - (end - start))
            row = {"token_ids": np.array([events[start:end] + padding], np.int32)}
            if positions is not None:
                table = np.zeros((1, context, positions.shape[1]), np.int32)
                table[0, : end - start] = positions[start:end]
                row["positions"] = table
            every += flat(row, np.array([events[start + 1 : end + 1] + padding], np.int32))
    return every


@pytest.mark.parametrize(("kind", "told"), [*((kind, False) for kind in KINDS), ("images", True)])
@pytest.mark.parametrize(("context", "stride"), [(CONTEXT, 5), (CONTEXT, CONTEXT), (64, 1)])
def test_evaluation_is_that_of_the_shards_bit_for_bit(folders, kind, told, context, stride):
    task = ShardsTask(folders / kind / "shards", target_positions=told)
    rows = NpyRows(folders / kind / "npy", target_positions=told)
    batches = rows.evaluation_batches("validation", context, 4, stride)
    wanted = list(task.evaluation_dataset("validation", context, 4, stride))
    assert len(batches) == len(wanted) == len(list(batches))
    for (inputs, labels, *_), (wanted_inputs, wanted_labels) in zip(batches, wanted, strict=True):
        assert set(inputs) == set(wanted_inputs)
        assert flat(inputs, labels) == flat(wanted_inputs, wanted_labels)


def test_rows_of_evaluation_say_where_they_lie(folders):
    rows = NpyRows(folders / "books/npy")
    made = ShardsTask(folders / "books/shards").manifest
    found = shards.records(folders / "books/shards", made)
    documents = [[2, *ids.tolist(), 1] for of, _, ids in found if of == "validation"]
    assert rows.num_events("validation").tolist() == [len(events) for events in documents]
    scored, num_empty = [], 0
    for inputs, labels, document, start in rows.evaluation_batches("validation", CONTEXT, 4, 5):
        assert document.dtype == start.dtype == np.int64 and document.shape == start.shape == (4,)
        for ids, label, number, first in zip(inputs["token_ids"], labels, document, start):
            if number < 0:
                num_empty += 1
                assert (number, first) == (-1, 0) and not ids.any() and not label.any()
                continue
            length = np.count_nonzero(ids)
            assert ids[:length].tolist() == documents[number][first : first + length]
            scored += [(number, first + place + 1) for place in np.flatnonzero(label)]
    assert num_empty
    assert sorted(scored) == [
        (number, event) for number, d in enumerate(documents) for event in range(1, len(d))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_training_rows_are_all_possible_crops_and_no_others(folders, kind):
    rows = NpyRows(folders / kind / "npy")
    possible = all_crops(folders / kind, "train", CONTEXT, positions=rows.positions)
    drawn = [
        row
        for step in range(60)
        for row in flat(*rows.training_batch(CONTEXT, 32, seed=0, step=step))
    ]
    assert set(drawn) == set(possible)
    task = ShardsTask(folders / kind / "shards").train_dataset(CONTEXT, 32, seed=0)
    assert {row for batch in task.take(20) for row in flat(*batch)} <= set(possible)


def test_every_target_is_as_likely_to_end_a_crop(folders):
    rows = NpyRows(folders / "books/npy")
    possible = all_crops(folders / "books", "train", 64)
    assert len(set(possible)) == len(possible) == 81  # tokens, and the end of each document
    drawn = [row for step in range(50) for row in flat(*rows.training_batch(64, 81, 7, step))]
    counts = np.array([drawn.count(row) for row in possible])
    # 50 are expected of each; 0.1 % of such sums of χ² with 80 degrees of freedom are above 124.8.
    assert counts.sum() == 50 * 81 and (((counts - 50) ** 2) / 50).sum() < 124.8


def test_fewest_inputs_leave_short_documents_whole(folders):
    rows = NpyRows(folders / "books/npy")
    possible = all_crops(folders / "books", "train", 64, min_inputs=20)
    drawn = [row for step in range(20) for row in flat(*rows.training_batch(64, 32, 0, step, 20))]
    assert set(drawn) == set(possible)


def test_a_batch_follows_from_seed_and_step_alone(folders):
    first = NpyRows(folders / "images/npy")
    batches = {
        (seed, step): flat(*first.training_batch(CONTEXT, 8, seed, step))
        for seed, step in itertools.product((0, 1, 2**63 - 1), (0, 1, 2**31 - 1))
    }
    assert len({tuple(rows) for rows in batches.values()}) == len(batches)
    again = NpyRows(folders / "images/npy")
    for (seed, step), wanted in reversed(batches.items()):
        assert flat(*again.training_batch(CONTEXT, 8, seed, step)) == wanted
        assert flat(*again.training_batch(CONTEXT, 3, seed, step)) == wanted[:3]


def test_crops_do_not_follow_the_version_of_numpy(folders):
    """What was drawn on 2026-11-26 with numpy 2: a run goes on with the crops it would have had."""
    inputs, _ = NpyRows(folders / "music/npy").training_batch(10**4, 6, seed=3, step=5)
    assert np.count_nonzero(inputs["token_ids"], axis=1).tolist() == [6, 23, 12, 25, 27, 30]


def test_training_data_are_the_batches_of_its_steps(folders):
    rows = NpyRows(folders / "books/npy")
    data = rows.training_data(CONTEXT, 4, seed=1, steps=3, start_step=5)
    assert len(data) == 3
    found = [flat(*data[index]) for index in range(3)]
    assert found == [flat(*rows.training_batch(CONTEXT, 4, 1, step)) for step in (5, 6, 7)]
    assert flat(*data[0]) == found[0]  # another epoch
    with pytest.raises(UserError, match="step 2 comes behind step 0: give `fit` shuffle=False"):
        data[2]


def test_units_are_those_of_each_document(folders):
    rows = NpyRows(folders / "books/npy")
    units = {name: int(each.sum()) for name, each in rows.units("train").items()}
    wanted = ShardsTask(folders / "books/shards").units("train")
    assert {**units, "documents": rows.num_events("train").size} == wanted
    assert NpyRows(folders / "music/npy").units("train") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_whole_documents_are_those_of_the_shards(folders, kind):
    rows, task = NpyRows(folders / kind / "npy"), ShardsTask(folders / kind / "shards")
    end = [1] if task.manifest.ends else []
    wanted = {"train": [], "validation": []}
    for split, _, ids in shards.records(folders / kind / "shards", task.manifest):
        wanted[split].append([2, *ids.tolist(), *end])
    for split, documents in wanted.items():
        found = [rows.events(split, number) for number in range(len(documents))]
        assert [events.tolist() for events in found] == documents
        assert all(events.dtype == np.int32 for events in found)


def test_what_a_set_says_of_its_codec(folders):
    rows, task = (
        kind(folders / "images" / name) for kind, name in ((NpyRows, "npy"), (ShardsTask, "shards"))
    )
    assert (rows.vocab_size, rows.codec) == (task.vocab_size, task.manifest.codec)
    assert np.array_equal(rows.positions, task.positions) and rows.positions.dtype == np.int32
    assert NpyRows(folders / "books/npy").positions is None
    assert rows.splits == ("train", "validation")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows: NpyRows(3), "path must name a folder"),
        (
            lambda rows: NpyRows("gs://bucket/set"),
            "must name a local folder, got 'gs://bucket/set'",
        ),
        (lambda rows: rows.num_events("dev"), "unknown split 'dev'"),
        (lambda rows: rows.events("train", 4), "number of a document .* ≤ 3, got 4"),
        (
            lambda rows: rows.num_events("test"),
            "no document of the split 'test' .there is train, v",
        ),
        (lambda rows: rows.training_batch(0, 1, 0, 0), "context must be"),
        (lambda rows: rows.training_batch(8, 0, 0, 0), "batch_size must be"),
        (lambda rows: rows.training_batch(8, 1, -1, 0), "seed must be"),
        (lambda rows: rows.training_batch(8, 1, 0, -1), "step must be"),
        (lambda rows: rows.training_batch(8, 1, 0, 0, 0), "min_inputs must be"),
        (lambda rows: rows.training_data(8, 1, 0, steps=0), "steps must be"),
        (lambda rows: rows.training_data(8, 1, 0, 2, start_step=2**31 - 1), "step must be"),
        (lambda rows: rows.training_data(8, 1, 0, 1, min_inputs=0.5), "min_inputs must be"),
        (lambda rows: rows.training_data(0, 1, 0, 1), "context must be"),
        (lambda rows: rows.evaluation_batches("train", 8, 1, 9), "stride must be .* ≤ 8, got 9"),
        (lambda rows: rows.evaluation_batches("train", 8, 0, 1), "batch_size must be"),
        (lambda rows: rows.evaluation_batches("dev", 8, 1, 1), "unknown split"),
    ],
)
def test_what_cannot_be_is_refused(folders, call, message):
    with pytest.raises(UserError, match=message):
        call(NpyRows(folders / "books/npy"))


# As on a machine with numpy, jax, and Keras with what it imports itself, rich among that, alone.
WITHOUT_TENSORFLOW = """
import importlib.abc, sys

MISSING = ("tensorflow", "apache_beam", "tenacity", "gin", "orbit")
asked = []

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in MISSING or name.startswith("tensorflow."):
            asked.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import numpy as np
import keras
import keras_perceiver_ar as kpar
asked.clear()  # Keras itself looks whether it is there
from pipelines.experiment.npy_rows import NpyRows
rows = NpyRows(sys.argv[1])
assert asked == [], asked
assert keras.backend.backend() == "jax"
backbone = kpar.models.PerceiverARBackbone(
    vocab_size=rows.vocab_size, max_context=12, num_latents=5, num_layers=1, width=16, num_heads=2,
)
model = kpar.models.PerceiverARCausalLM(backbone)
model.compile("sgd", loss=kpar.training.PerceiverARLoss())
seen = []
make_batch = rows.training_batch
rows.training_batch = lambda *arguments: seen.append(arguments[3]) or make_batch(*arguments)
data = rows.training_data(context=12, batch_size=4, seed=0, steps=2, start_step=6)
history = model.fit(data, shuffle=False, verbose=0)
assert np.isfinite(history.history["loss"]).all()
assert seen[-2:] == [6, 7] and set(seen[:-2]) <= {6}, seen  # the first to build the model
for inputs, labels, document, start in rows.evaluation_batches("validation", 12, 4, stride=5):
    assert np.isfinite(model.evaluate(inputs, labels, verbose=0))
assert not [name for name in sys.modules if name.split(".")[0] in MISSING]
"""


@pytest.mark.slow
def test_fit_runs_where_there_is_no_tensorflow(folders, repository):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(folders / "books/npy")],
        cwd=repository,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
