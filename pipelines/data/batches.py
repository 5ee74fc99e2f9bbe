"""Rows, shards and steps: what every task's dataset has in common.

A batch is a pure function of (seed, step), and a shard is a contiguous slice of its rows. Hence a
run goes on at any step at no cost, and any number of hosts sees the same global batches. B rows of
the global batch, b rows of this shard's, M inputs.
"""

import numpy as np
import tensorflow as tf

from pipelines.checks import check_integer
from pipelines.data.row_checks import MOST as MOST
from pipelines.data.row_checks import SPLITS as SPLITS
from pipelines.data.row_checks import check_rows as check_rows
from pipelines.data.row_checks import check_split as check_split
from pipelines.data.row_checks import check_start as check_start
from pipelines.errors import UserError

# One generator named outright: "auto_select" may choose another one on another device.
_ALGORITHM = "philox"
# What the rows of an evaluation may hold beside the inputs of a model; see `with_places`.
PLACES = ("document", "start")


def shard_slice(batch_size, shard_index, num_shards):
    """The rows of the global batch that belong to one shard.

    Args:
        batch_size: int. B.
        shard_index: int. 0 … num_shards − 1.
        num_shards: int. Must divide B.

    Returns:
        slice of b = B / num_shards rows.

    Raises:
        UserError: no integers, the batch does not divide, or there is no such shard.
    """
    check_integer("num_shards", num_shards)
    check_integer("shard_index", shard_index, least=0)
    if batch_size % num_shards:
        raise UserError(
            f"batch_size {batch_size} does not divide into {num_shards} shards: "
            "choose a multiple of the number of shards"
        )
    if shard_index >= num_shards:
        raise UserError(f"shard_index must lie in 0 … {num_shards - 1}, got {shard_index}")
    rows = batch_size // num_shards
    return slice(shard_index * rows, (shard_index + 1) * rows)


def random_key(seed, stream, index):
    """Key of stateless draws that belong to one step, or to one example.

    Args:
        seed: int.
        stream: int. Keeps draws for different purposes apart that share seed and index.
        index: int64 scalar tensor.

    Returns:
        int64 (2,).
    """
    base = tf.constant([seed, stream], tf.int64)
    return tf.random.fold_in(base, index, alg=_ALGORITHM)


def draw(key, number, shape, low, high, dtype):
    """Uniform draws from low … high, both included for integers.

    Args:
        key: int64 (2,), from `random_key`.
        number: int. Which of the key's draws: different numbers give independent draws.
        shape: tuple of int.
        low, high: int or float.
        dtype: TensorFlow dtype.

    Returns:
        Tensor of `shape` and `dtype`.
    """
    key = tf.random.fold_in(key, tf.constant(number, tf.int64), alg=_ALGORITHM)
    limit = high + 1 if dtype.is_integer else high
    return tf.random.stateless_uniform(shape, key, low, limit, dtype, alg=_ALGORITHM)


def rows_from_events(events, length, scored):
    """Dataset element of rows of events.

    Args:
        events: int32 (b, M + 1). What follows event `length` of a row is ignored.
        length: int (b,). Valid inputs of each row, 0 … M.
        scored: int (b,). Targets that count, the last ones of each row.

    Returns:
        `({"token_ids": int32 (b, M)}, labels int32 (b, M))`.
    """
    length, scored = tf.cast(length, tf.int32)[:, None], tf.cast(scored, tf.int32)[:, None]
    index = tf.range(events.shape[1] - 1)
    valid = index < length
    counts = valid & (index >= length - scored)
    return {"token_ids": tf.where(valid, events[:, :-1], 0)}, tf.where(counts, events[:, 1:], 0)


def with_places(element, document, start):
    """An element of an evaluation that says where its rows come from.

    Args:
        element: see `rows_from_events`.
        document: int (b,). Number of each row's document in its split; any in an empty row.
        start: int (b,). The event of the document that each row begins with.

    Returns:
        The element, with these as int32 among its inputs, under the names in `PLACES`.
    """
    inputs, labels = element
    places = zip(PLACES, (document, start), strict=True)
    return {**inputs, **{name: tf.cast(value, tf.int32) for name, value in places}}, labels


def endless(make_batch, seed, start_step):
    """Dataset of the batches of steps start_step, start_step + 1, …

    Args:
        make_batch: function of an int64 scalar step, in stateless TensorFlow ops.
        seed: int. What `make_batch` draws from.
        start_step: int.

    Returns:
        Infinite `tf.data.Dataset`.

    Raises:
        UserError: a seed or a step that is none.
    """
    check_start(seed, start_step)
    dataset = tf.data.Dataset.range(start_step, tf.int64.max)
    dataset = dataset.map(make_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return settle(dataset)


def finite(arrays, make_batch):
    """Dataset of one batch for each entry of the arrays' first dimension.

    Args:
        arrays: tuple of arrays (batches, b).
        make_batch: function of their entries (b,), in stateless TensorFlow ops.

    Returns:
        Finite `tf.data.Dataset`.
    """
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    dataset = dataset.map(make_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return settle(dataset)


def evaluation_rows(num_rows, batch_size, shard):
    """Row numbers of each of a shard's batches, −1 where the last batch is filled up.

    Args:
        num_rows: int. Rows to evaluate.
        batch_size: int. B.
        shard: slice, from `shard_slice`.

    Returns:
        int64 (ceil(num_rows / B), b).
    """
    rows = np.arange(-(-num_rows // batch_size) * batch_size).reshape(-1, batch_size)
    return np.where(rows < num_rows, rows, -1)[:, shard]


def settle(dataset):
    """Options that every task's dataset has, and a batch or more made ahead."""
    options = tf.data.Options()
    options.deterministic = True
    # Shards are slices of rows here; tf.distribute must not deal out whole batches on top of that.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
