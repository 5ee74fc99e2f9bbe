"""The train step against context and against depth, for each model, in a table and a chart."""

import csv
import json
import os
import pathlib
import subprocess
import sys

from pipelines import command_line

CSV_NAME = "sweep.csv"
# Killed: by Linux, when no memory is left, as a signal or as a shell tells of it.
_KILLED = (-9, 137)


def run_point(flags, timeout):
    """Measures one point in a process of its own, whose end cannot be that of the sweep.

    Args:
        flags: dict, of `train_step`.
        timeout: float. Seconds.

    Returns:
        dict: what `train_step` wrote; `oom` or `error` where it could not.
    """
    command = [sys.executable, "-m", "pipelines.benchmark", "train_step"]
    command += [f"--{name}={value}" for name, value in flags.items() if value is not None]
    # JAX would keep to three quarters of the device, and run out of memory before the device does.
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95", **os.environ}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {timeout:g} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if lines:
        result = json.loads(lines[-1])
        del result["command"]
        return result
    if done.returncode in _KILLED:
        return {"oom": True}
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return {"error": said[-1]}


def points(models, contexts, depths, base):
    """Flags of each point, by model and size ascending.

    Args:
        models: list of str.
        contexts: list of int.
        depths: list of int.
        base: dict of flags: `context` and `layers` are those of the other sweep.

    Yields:
        (name of the sweep, flags).
    """
    for sweep, axis, sizes in (("context", "context", contexts), ("depth", "layers", depths)):
        for model in models:
            for size in sorted(set(sizes)):
                flags = {**base, "model": model, axis: size}
                # A context shorter than N is read by a latent for each input.
                flags["latents"] = min(flags["latents"], flags["context"])
                yield sweep, flags


def measure(models, contexts, depths, base, output, timeout, point, say):
    """Measures all points and writes the table anew after each of them.

    After a point that ran out of memory the larger ones of its model are not tried: they are
    recorded as out of memory too, and as not tried.

    Args:
        models: list of str.
        contexts: list of int.
        depths: list of int.
        base: dict of flags of `train_step`.
        output: str. Folder, which is made if it is not there.
        timeout: float. Seconds that a point may take.
        point: function of flags and timeout, as `run_point`.
        say: function of a dict, called for each point.

    Returns:
        int, points that failed for another reason than memory.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = pathlib.Path(output)
    with command_line.user_errors(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CSV_NAME).touch()
    rows, full = [], set()
    for sweep, flags in points(models, contexts, depths, base):
        place = sweep, flags["model"]
        if place in full:
            result = {"oom": True, "tried": False}
        else:
            result = {"oom": False, "tried": True, **point(flags, timeout)}
        if result["oom"]:
            full.add(place)
        rows.append({"sweep": sweep, **flags, **result})
        write_table(folder / CSV_NAME, rows)
        say(rows[-1])
    return sum("error" in row for row in rows)


def write_table(file, rows):
    """Writes dicts as CSV, a column for every key that one of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(file, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, names)
        table.writeheader()
        table.writerows(rows)
