"""The input pipeline, measured: how soon the next batch is there when nothing else goes on."""

import time

from pipelines.benchmark import timing
from pipelines.errors import UserError

TASKS = ("copy", "books")


def measure(task, data, context, batch, runs=8, warmup=3, batches=50):
    """Times batches as a training loop would take them.

    Args:
        task: str, of `TASKS`.
        data: str or None. Folder of the books.
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
    if (task == "books") != (data is not None):
        raise UserError("--data is the folder of --task=books: give both, or neither")
    try:
        from pipelines.data import BooksTask, CopyTask
    except ImportError as error:
        raise UserError(f"the input pipeline is TensorFlow's, which is missing: {error}") from error

    begin = time.perf_counter()
    made = BooksTask(data) if task == "books" else CopyTask(length=context - context % 2)
    iterator = iter(made.train_dataset(context, batch, seed=0))
    for _ in range(max(warmup, 1)):
        next(iterator)
    start_s = time.perf_counter() - begin
    seconds = timing.time_runs(lambda: next(iterator), lambda _: None, runs, batches)
    times = timing.spread(seconds)
    rate = 1e3 / times["median_ms"]
    return {
        **times,
        "batches_per_second": rate,
        "examples_per_second": rate * batch,
        "tokens_per_second": rate * batch * context,
        "start_s": start_s,
    }
