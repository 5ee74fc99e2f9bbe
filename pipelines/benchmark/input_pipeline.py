"""The input pipeline, measured: how soon the next batch is there when nothing else goes on."""

import multiprocessing.pool
import statistics
import time

import numpy as np

from pipelines.benchmark import timing
from pipelines.errors import UserError

TASKS = ("copy", "books", "shards")
# Of the shards that are read for `read_…`: beyond a few hundred MiB nothing changes but the wait.
_MOST_BYTES = 512 * 2**20


def measure(task, data, context, batch, runs=8, warmup=3, batches=50):
    """Times batches as a training loop would take them.

    Args:
        task: str, of `TASKS`.
        data: str or None. Folder of the books, or of the shards.
        context: int. M.
        batch: int. B.
        runs: int. Timed runs.
        warmup: int. Batches before them.
        batches: int. Batches of a run.

    Returns:
        dict, less the flags.

    Raises:
        UserError: no TensorFlow, no such folder, a context too short.
    """
    if (task != "copy") != (data is not None):
        raise UserError("--data is the folder of --task=books or shards: give both, or neither")
    try:
        from pipelines import data as tasks
    except ImportError as error:
        raise UserError(f"the input pipeline is TensorFlow's, which is missing: {error}") from error

    if task == "copy":
        made = tasks.CopyTask(length=context - context % 2)
    else:
        made = {"books": tasks.BooksTask, "shards": tasks.ShardsTask}[task](data)
    start_s, seconds = _time_batches(made, context, batch, runs, warmup, batches)
    times = timing.spread(seconds)
    rate = 1e3 / times["median_ms"]
    return {
        **times,
        "batches_per_second": rate,
        "examples_per_second": rate * batch,
        "tokens_per_second": rate * batch * context,
        "start_s": start_s,
        **(_read_rates(made, runs) if task == "shards" else {}),
    }


def _time_batches(task, context, batch, runs, warmup, batches):
    """Seconds until `warmup` batches were there, and those of a batch in each run."""
    begin = time.perf_counter()
    iterator = iter(task.train_dataset(context, batch, seed=0))
    for _ in range(warmup):
        next(iterator)
    start_s = time.perf_counter() - begin
    return start_s, timing.time_runs(lambda: next(iterator), lambda _: None, runs, batches)


def _read_rates(task, runs):
    """How fast the shards are read, by the pipeline's reader and by nothing but `tf.io.gfile`."""
    import tensorflow as tf

    from pipelines.data import shard_reader

    def read_bare(path):
        with tf.io.gfile.GFile(path, "rb") as file:
            return len(file.read())

    shards = shard_reader.Shards.of(task.path, task.manifest, "train")
    sizes = [shard.size for shard in task.manifest.shards("train")]
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
