"""Shards in a bucket: the batches of the local copy, whatever the answers are like."""

import collections

import numpy as np
import pytest

from pipelines.data import RandomCrop, ShardsTask
from tests.pipelines import shards

pytestmark = pytest.mark.slow

NUMBER = 60  # books, each in a shard of its own


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    for split in ("train", "validation"):
        shards.write_books(folder / "books", [100 + 7 * n for n in range(NUMBER)], split)
    made = shards.prepare(folder / "books", folder / "shards", shard_bytes=300)
    assert len(made.splits["train"]) > NUMBER // 2
    return folder / "shards"


@pytest.fixture
def remote(local, storage, bucket):
    for path in local.iterdir():
        storage.put(bucket, f"set/{path.name}", path.read_bytes())
    storage.take_counts()
    return f"gs://{bucket}/set"


def task(place, **options):
    task = ShardsTask(place, **options)
    task.window_bytes = 4000  # several shards at once, and each window of an epoch anew
    return task


def take(dataset, steps=-1):
    return [(x["token_ids"].numpy(), y.numpy()) for x, y in dataset.take(steps)]


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)


# Fractions of the requests; "short" ones bring half the bytes and say that this is all.
UNAVAILABLE = {"unavailable": 0.05}
BROKEN = {"cut": 0.05, "short": 0.05}


@pytest.mark.parametrize("faults", [UNAVAILABLE, BROKEN], ids="+".join)
def test_training_batches_are_those_of_the_local_copy(storage, local, remote, faults):
    storage.set_faults(seed=1, **faults)
    options = {"context": 64, "batch_size": 8, "seed": 3, "start_step": 2}
    found = take(task(remote).train_dataset(**options), 80)
    counts = storage.take_counts()
    assert all(counts[fault] for fault in faults)
    assert_same(found, take(task(local).train_dataset(**options), 80))


@pytest.mark.parametrize("faults", [UNAVAILABLE, BROKEN], ids="+".join)
def test_an_evaluation_is_that_of_the_local_copy(storage, local, remote, faults):
    storage.set_faults(seed=2, **faults)
    options = {"split": "validation", "context": 64, "batch_size": 8, "num_latents": 48}
    found = take(task(remote).evaluation_dataset(**options))
    counts = storage.take_counts()
    assert all(counts[fault] for fault in faults)
    assert_same(found, take(task(local).evaluation_dataset(**options)))


def test_an_epoch_comes_once_in_spite_of_faults(storage, remote):
    storage.set_faults(seed=3, unavailable=0.05, cut=0.05)
    whole = task(remote, crop=RandomCrop(10**6), targets_per_example=10**6)
    rows = take(whole.train_dataset(context=600, batch_size=1, seed=0), 2 * NUMBER)
    for epoch in (rows[:NUMBER], rows[NUMBER:]):
        lengths = collections.Counter(int(np.count_nonzero(ids)) - 1 for ids, _ in epoch)
        assert lengths == {100 + 7 * n: 1 for n in range(NUMBER)}
