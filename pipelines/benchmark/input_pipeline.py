"""The input pipeline, measured: how soon the next batch is there when nothing else goes on."""

import time

from pipelines.benchmark import timing
from pipelines.errors import UserError

TASKS = ("copy", "books", "shards")


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
        from pipelines.data import BooksTask, CopyTask, ShardsTask
    except ImportError as error:
        raise UserError(f"the input pipeline is TensorFlow's, which is missing: {error}") from error

    if task == "copy":
        made = CopyTask(length=context - context % 2)
    else:
        made = {"books": BooksTask, "shards": ShardsTask}[task](data)
    start_s, seconds = _time_batches(made, context, batch, runs, warmup, batches)
    times = timing.spread(seconds)
    rate = 1e3 / times["median_ms"]
    rates = {}
    if task == "shards":
        from pipelines.benchmark import shard_rates

        rates = shard_rates.measure(made, runs)
    return {
        **times,
        "batches_per_second": rate,
        "examples_per_second": rate * batch,
        "tokens_per_second": rate * batch * context,
        "start_s": start_s,
        **rates,
    }


def _time_batches(task, context, batch, runs, warmup, batches):
    """Seconds until `warmup` batches were there, and those of a batch in each run."""
    begin = time.perf_counter()
    iterator = iter(task.train_dataset(context, batch, seed=0))
    for _ in range(warmup):
        next(iterator)
    start_s = time.perf_counter() - begin
    return start_s, timing.time_runs(lambda: next(iterator), lambda _: None, runs, batches)
