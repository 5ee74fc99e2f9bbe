"""What each command does with its flags: it measures, and writes a JSON object a line."""

import json
import pathlib
import sys

from pipelines import command_line
from pipelines.benchmark import flags as benchmark_flags
from pipelines.benchmark.memory import OutOfMemory
from pipelines.benchmark.workload import Workload
from pipelines.errors import UserError

NO_MEMORY = 3
FAILED = 1


def train_step(flags):
    """Runs `train_step`; returns the exit status, as all of these."""
    from pipelines.benchmark import train_step

    workload = benchmark_flags.read_workload(flags)
    options = _pick(flags, "runs", "warmup", "loop", "jit")
    if flags.trace:
        with command_line.user_errors(OSError, hint=" (--trace)"):
            pathlib.Path(flags.trace).mkdir(parents=True, exist_ok=True)
    return _measured(
        {"command": "train_step", **workload.describe(), **options},
        lambda: train_step.measure(workload, trace=flags.trace, **options),
    )


def decode(flags):
    """Runs `decode`."""
    from pipelines.benchmark import decode

    decode.check(flags.latents, flags.prompt, flags.new_tokens)
    flags.context = flags.prompt + flags.new_tokens
    workload = benchmark_flags.read_workload(flags)
    options = _pick(flags, "prompt", "new_tokens", "runs", "warmup")
    sampling = _pick(flags, "temperature", "top_p")
    caching = _pick(flags, "refill", "prefill")
    fields = {key: value for key, value in workload.describe().items() if hasattr(flags, key)}
    about = {**fields, **options, **sampling, **caching}
    return _measured(
        {"command": "decode", **about},
        lambda: decode.measure(workload, sampling=sampling, caching=caching, **options),
    )


def input_pipeline(flags):
    """Runs `input_pipeline`."""
    from pipelines.benchmark import input_pipeline

    options = _pick(flags, "task", "data", "context", "batch", "runs", "warmup", "batches")
    return _measured(
        {"command": "input_pipeline", **options}, lambda: input_pipeline.measure(**options)
    )


def runtime(flags):
    """Runs `runtime`."""
    from pipelines.benchmark import runtime

    workload = benchmark_flags.read_workload(flags)
    options = _pick(flags, "steps", "runs", "warmup")
    return _measured(
        {"command": "runtime", **workload.describe(), **options},
        lambda: runtime.measure(workload, **options),
    )


def sweep(flags):
    """Runs `sweep`."""
    from pipelines.benchmark import chart, sweep

    if flags.chart:
        chart.check_installed()
    base = {name: getattr(flags, name) for name in benchmark_flags.workload_names("model")}
    for model in flags.models:
        # What would be refused at every point is refused now.
        Workload(**{**base, "model": model, "latents": min(flags.latents, flags.context)})
    base |= _pick(flags, "runs", "warmup", "loop")
    measured = []

    def say(row):
        measured.append(row)
        _write({"command": "sweep", **row})

    rows = sweep.measure(
        flags.models,
        flags.contexts,
        flags.depths,
        base,
        flags.output,
        flags.timeout,
        sweep.run_point,
        say=say,
    )
    if kept := len(rows) - len(measured):
        print(f"{kept} points were in {flags.output} already and stay", file=sys.stderr)
    if flags.chart:
        _say_drawn(chart.draw(flags.output))
    failed = sum(bool(row.get("error")) for row in rows)
    if failed:
        print(f"error: {failed} points failed, see the column `error`", file=sys.stderr)
        return FAILED
    if all(row["oom"] for row in rows):
        print("error: out of memory at every point", file=sys.stderr)
        return NO_MEMORY
    return 0


def export_hlo(flags):
    """Runs `export_hlo`."""
    from pipelines.benchmark import backends

    workload = benchmark_flags.read_workload(flags)
    options = _pick(flags, "output", "platform")
    name, _ = backends.load()
    if name != "tensorflow":
        raise UserError(f"export_hlo needs KERAS_BACKEND=tensorflow, got {name!r}")
    from pipelines.benchmark import hlo

    return _measured(
        {"command": "export_hlo", **workload.describe(), **options},
        lambda: hlo.export(workload, **options),
    )


def chart(flags):
    """Runs `chart`."""
    from pipelines.benchmark import chart

    _say_drawn(chart.draw(flags.output))
    return 0


def _measured(about, measure):
    try:
        measured = measure()
    except OutOfMemory as error:
        _write({**about, "oom": True})
        print(f"error: out of memory: {command_line.one_line(error)[:300]}", file=sys.stderr)
        return NO_MEMORY
    _write({**about, **measured})
    return 0


def _pick(flags, *names):
    return {name: getattr(flags, name) for name in names}


def _say_drawn(files):
    print("drawn:", *files, file=sys.stderr)


def _write(record):
    print(json.dumps(record), flush=True)
