"""Times of runs, and the rate of a matrix product to hold them against."""

import statistics
import time

# Large enough that a chip is busy and small enough that a processor is soon done.
MATMUL_SIZE = {"cpu": 1024}
LARGE_MATMUL = 8192
LEAST_MATMULS = 16


def time_runs(start, wait, runs, loop):
    """Seconds of a step in each run.

    Args:
        start: function that starts a step and returns something to wait for.
        wait: function that waits for it.
        runs: int.
        loop: int. Steps of a run, started one after the other and waited for together, so that the
            host prepares the next while the device works, as in training.

    Returns:
        list of float.
    """
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        for _ in range(loop):
            result = start()
        wait(result)
        seconds.append((time.perf_counter() - begin) / loop)
    return seconds


def spread(seconds):
    """Median and range of times, in milliseconds."""
    return {
        "median_ms": 1e3 * statistics.median(seconds),
        "min_ms": 1e3 * min(seconds),
        "max_ms": 1e3 * max(seconds),
    }


def matmul_rate(backend, dtype, runs):
    """Operations a second of a square matrix product: what the device can do in this dtype.

    Of the fastest run: whatever else a shared machine does makes the others slower, never faster,
    and what it is held against should not profit from that.

    Args:
        backend: module, as `backends.load` gives it.
        dtype: str.
        runs: int.

    Returns:
        float.
    """
    _, platform, _ = backend.device()
    size = MATMUL_SIZE.get(platform, LARGE_MATMUL)
    start, wait = backend.matmul(size, dtype)
    wait(start())
    loop = 1 if platform == "cpu" else 16
    return 2 * size**3 / min(time_runs(start, wait, max(runs, LEAST_MATMULS), loop))
