"""What the runtime takes beside the step itself: logs, summaries, checkpoints, metrics."""

import contextlib
import statistics
import sys
import tempfile
import time

from pipelines.benchmark import backends
from pipelines.errors import UserError


def measure(workload, steps=100, runs=8, warmup=1):
    """Times the steps of a run in turn with those of a bare compiled function, in one process.

    Both have forward, backward, clip and Adam, and are fed the same batch. A checkpoint is written
    every `steps` steps, asynchronously; every step has its line in the log.

    Args:
        workload: `Workload` of a `perceiver_ar`.
        steps: int. Steps of a timed run.
        runs: int. Timed runs of each.
        warmup: int. Untimed ones before.

    Returns:
        dict: `median_ms` of a step of the run, `bare_ms` of a bare one, and their `ratio`, which is
        the median of the ratios of neighbours: the machine may slow down in between.

    Raises:
        UserError: another model or backend.
    """
    name, _ = backends.load()
    if name != "tensorflow" or not workload.is_perceiver:
        raise UserError("runtime measures --model=perceiver_ar on KERAS_BACKEND=tensorflow")
    import keras
    import tensorflow as tf

    from pipelines.benchmark.tensorflow_backend import TrainStep
    from pipelines.configuration import Experiment
    from pipelines.data import InputFnTask
    from pipelines.estimator import Estimator
    from pipelines.settings import TrainSettings

    bare = TrainStep(workload, jit=False)
    bare.compile()
    batch = tf.data.Dataset.from_tensors(workload.make_batch())
    backbone = workload.make_model().backbone
    experiment = Experiment(
        InputFnTask(workload.vocab, lambda params: batch.repeat()),
        lambda vocab_size: type(backbone).from_config(backbone.get_config()),
        lambda: keras.optimizers.Adam(3e-4),
    )
    settings = TrainSettings(
        steps=steps * (1 + warmup + runs),  # the first loop compiles
        batch_size=workload.batch,
        steps_per_loop=steps,
        checkpoint_interval=steps,
    )
    timer = _Timer(bare, steps)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        Estimator(folder, experiment, settings).train(actions=[timer])
    pairs = timer.pairs[1 + warmup :]
    return {
        "median_ms": 1e3 * statistics.median(run for run, _ in pairs) / steps,
        "bare_ms": 1e3 * statistics.median(bare for _, bare in pairs) / steps,
        "ratio": statistics.median(run / bare for run, bare in pairs),
        "ratios": [round(run / bare, 4) for run, bare in pairs],
    }


class _Timer:
    """After each loop takes as many bare steps. An `orbit.Action`."""

    def __init__(self, bare, steps):
        self._bare, self._steps = bare, steps
        self._begun = time.perf_counter()
        self.pairs = []

    def __call__(self, _):
        now = time.perf_counter()
        run = now - self._begun
        for _ in range(self._steps):
            loss = self._bare.run()
        self._bare.wait(loss)
        self._begun = time.perf_counter()
        self.pairs.append((run, self._begun - now))
