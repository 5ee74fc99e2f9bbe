import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import batches
from pipelines.errors import UserError


def test_labels_are_the_next_events_and_only_the_last_ones_count():
    events = tf.constant([[2, 5, 6, 7], [2, 8, 1, 99], [99, 99, 99, 99]])
    inputs, labels = batches.rows_from_events(
        events, tf.constant([3, 2, 0]), tf.constant([1, 2, 1])
    )
    assert inputs["token_ids"].numpy().tolist() == [[2, 5, 6], [2, 8, 0], [0, 0, 0]]
    assert labels.numpy().tolist() == [[0, 0, 7], [8, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("num_shards", [1, 2, 4])
def test_shards_are_contiguous_and_cover_the_batch(num_shards):
    shards = [batches.shard_slice(8, i, num_shards) for i in range(num_shards)]
    assert np.concatenate([np.arange(8)[s] for s in shards]).tolist() == list(range(8))


def test_last_evaluation_batch_is_filled_up():
    rows = batches.evaluation_rows(5, 4, batches.shard_slice(4, 1, 2))
    assert rows.tolist() == [[2, 3], [-1, -1]]


def test_draws_include_both_ends_and_differ():
    key = batches.random_key(0, 0, tf.constant(0, tf.int64))
    first = batches.draw(key, 0, (400,), 3, 6, tf.int32).numpy()
    assert set(first.tolist()) == {3, 4, 5, 6}
    others = [
        batches.draw(key, 1, (400,), 3, 6, tf.int32),
        batches.draw(batches.random_key(1, 0, tf.constant(0, tf.int64)), 0, (400,), 3, 6, tf.int32),
        batches.draw(batches.random_key(0, 1, tf.constant(0, tf.int64)), 0, (400,), 3, 6, tf.int32),
        batches.draw(batches.random_key(0, 0, tf.constant(1, tf.int64)), 0, (400,), 3, 6, tf.int32),
    ]
    for other in others:
        assert (other.numpy() != first).mean() > 0.6


def test_endless_dataset_is_infinite_and_starts_anywhere():
    dataset = batches.endless(lambda step: step, 0, 5)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert [int(step) for step in dataset.take(2)] == [5, 6]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: batches.shard_slice(8, 0, 3), "batch_size 8 does not divide into 3 shards"),
        (lambda: batches.shard_slice(8, 0, 0), "num_shards must be an integer ≥ 1, got 0"),
        (lambda: batches.shard_slice(8, 0, 2.0), "num_shards must be an integer ≥ 1, got 2.0"),
        (lambda: batches.shard_slice(8, -1, 2), "shard_index must be an integer ≥ 0, got -1"),
        (lambda: batches.shard_slice(8, None, 2), "shard_index must be an integer ≥ 0, got None"),
        (lambda: batches.shard_slice(8, 2, 2), "shard_index must lie in 0 … 1, got 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(UserError, match=message):
        call()
