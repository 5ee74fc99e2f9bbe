"""One train step, measured: forward, backward, clip and update."""

import contextlib
import time

from pipelines.benchmark import backends, flops, timing


def measure(workload, runs=8, warmup=3, loop=4, trace=None, jit=True):
    """Times the step and describes it.

    Args:
        workload: `Workload`.
        runs: int. Timed runs.
        warmup: int. Steps before them.
        loop: int. Steps of a run.
        trace: str or None. Folder for a profile of one more run.
        jit: bool. Whether TensorFlow compiles the step by XLA; JAX always does.

    Returns:
        dict, less the flags.

    Raises:
        UserError: an attention that cannot run here.
        OutOfMemory: it does not fit.
    """
    name, backend = backends.load()
    with backends.limits(backend):
        step = backend.TrainStep(workload, *([jit] if name == "tensorflow" else []))
        begin = time.perf_counter()
        step.compile()
        compile_s = time.perf_counter() - begin
        for _ in range(warmup):
            loss = step.run()
            step.wait(loss)
        seconds = timing.time_runs(step.run, step.wait, runs, loop)
        memory = step.memory()
        with backend.trace(trace) if trace else contextlib.nullcontext():
            for _ in range(loop):
                loss = step.run()
            loss = step.wait(loss)
        del step  # makes room for the matrices
        rate = timing.matmul_rate(backend, workload.dtype, runs)
    kind, platform, count = backend.device()
    times = timing.spread(seconds)
    median = times["median_ms"] / 1e3
    operations = flops.train_step_flops(workload)
    return {
        "backend": name,
        "device": kind,
        "platform": platform,
        "device_count": count,
        **times,
        "steps_per_second": 1 / median,
        "targets_per_second": workload.num_targets / median,
        "model_flops": operations,
        "matmul_tflops": rate / 1e12,
        "mfu": operations / median / rate,
        **memory,
        "compile_s": compile_s,
        "loss": loss,
    }
