"""How fast shards are read, beside what the file system gives."""

import functools
import multiprocessing.pool
import statistics
import time

import numpy as np
import tensorflow as tf

from pipelines.data import shard_reader

# Beyond a few hundred MiB nothing changes but the wait.
_MOST_BYTES = 512 * 2**20


def measure(task, runs):
    """How fast the shards are read, by the pipeline's reader and by nothing but `tf.io.gfile`.

    Args:
        task: `ShardsTask`.
        runs: int.

    Returns:
        dict: MiB that were read, MiB a second of the reader, of bare reads in as many threads as it
        has, and of these one after the other; and the reader's share of bare reads in threads.
    """

    def read_bare(path):
        with tf.io.gfile.GFile(path, "rb") as file:
            return len(file.read())

    shards = shard_reader.Shards.of(task.path, task.manifest, "train")
    sizes = [shard.size for shard in task.manifest.shards("train", task.path)]
    number = max(1, int(np.searchsorted(np.cumsum(sizes), _MOST_BYTES, side="right")))
    megabytes = sum(sizes[:number]) / 2**20
    files = shards.files[:number]

    at_once = shards.of_window(task.window_bytes, slice(number))

    def read(window):
        numbers = tf.range(window * at_once, tf.minimum((window + 1) * at_once, number))
        return tf.size(shard_reader.read(shards, numbers).tokens, tf.int64)

    # As a training dataset does it: one window is used up while the next one is read.
    windows = tf.data.Dataset.range(-(-number // at_once)).map(read, num_parallel_calls=2)

    def bare(threads):
        with multiprocessing.pool.ThreadPool(threads) as pool:
            pool.map(read_bare, files)

    threads = shard_reader.PARALLEL_READS
    seconds = {"reader": [], "gfile": [], "gfile_one_by_one": []}
    for _ in range(runs):  # in turn: what else the machine does falls on all
        seconds["gfile_one_by_one"].append(_time(functools.partial(bare, 1)))
        seconds["gfile"].append(_time(functools.partial(bare, threads)))
        iterator = iter(windows)  # which takes as long for a small set as for a large one
        seconds["reader"].append(_time(functools.partial(list, iterator)))
    rates = {name: megabytes / statistics.median(times) for name, times in seconds.items()}
    return {
        "read_mib": megabytes,
        "reader_mib_per_second": rates["reader"],
        "gfile_mib_per_second": rates["gfile"],
        "gfile_one_by_one_mib_per_second": rates["gfile_one_by_one"],
        "reader_share": rates["reader"] / rates["gfile"],
    }


def _time(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
