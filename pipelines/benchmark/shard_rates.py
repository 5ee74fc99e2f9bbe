"""How fast shards are read, beside what the file system gives."""

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
        dict: MiB that were read, MiB a second of both, and the share of the one in the other.
    """

    def read_bare(path):
        with tf.io.gfile.GFile(path, "rb") as file:
            return len(file.read())

    shards = shard_reader.Shards.of(task.path, task.manifest, "train")
    sizes = [shard.size for shard in task.manifest.shards("train", task.path)]
    number = max(1, int(np.searchsorted(np.cumsum(sizes), _MOST_BYTES, side="right")))
    megabytes = sum(sizes[:number]) / 2**20
    files = shards.files[:number]

    at_once = max(1, int(task.window_bytes / shards.bytes()[:number].mean()))

    def read(window):
        numbers = tf.range(window * at_once, tf.minimum((window + 1) * at_once, number))
        return tf.size(shard_reader.read(shards, numbers).tokens, tf.int64)

    # As a training dataset does it: one window is used up while the next one is read.
    windows = tf.data.Dataset.range(-(-number // at_once)).map(read, num_parallel_calls=2)

    def bare():
        with multiprocessing.pool.ThreadPool(shard_reader.PARALLEL_READS) as pool:
            pool.map(read_bare, files)

    seconds = {"reader": [], "gfile": []}
    for _ in range(runs):  # in turn: what else the machine does falls on both
        for name, function in (("gfile", bare), ("reader", lambda: list(windows))):
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    rates = {name: megabytes / statistics.median(times) for name, times in seconds.items()}
    return {
        "read_mib": megabytes,
        "reader_mib_per_second": rates["reader"],
        "gfile_mib_per_second": rates["gfile"],
        "reader_share": rates["reader"] / rates["gfile"],
    }
