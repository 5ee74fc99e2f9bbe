"""The train step against context and against depth, for each model, in a table and a chart."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys

from pipelines import command_line
from pipelines.errors import UserError

CSV_NAME = "sweep.csv"
# The flag that each sweep varies.
AXES = {"context": "context", "depth": "layers"}
# Killed: by Linux, when no memory is left, as a signal or as a shell tells of it.
_KILLED = (-9, 137)


def run_point(flags, timeout):
    """Measures one point in a process of its own, whose end cannot be that of the sweep.

    The sweep's end, however it comes, is that of the process too where there is util-linux:
    nobody would hear of what it measures.

    Args:
        flags: dict, of `train_step`.
        timeout: float. Seconds.

    Returns:
        dict: what `train_step` wrote; `oom` or `error` where it could not.

    Raises:
        UserError: `train_step` refused its flags.
    """
    tied = ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []
    command = [*tied, sys.executable, "-m", "pipelines.benchmark", "train_step"]
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
    if done.returncode == command_line.BAD_INPUT:
        raise UserError(said[-1].removeprefix("error: "))
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
    for sweep, sizes in (("context", contexts), ("depth", depths)):
        for model in models:
            for size in sorted(set(sizes)):
                yield sweep, _flags(base, sweep, model, size)


def _flags(base, sweep, model, size):
    flags = {**base, "model": model, AXES[sweep]: size}
    # A context shorter than N is read by a latent for each input.
    flags["latents"] = min(flags["latents"], flags["context"])
    return flags


def measure(models, contexts, depths, base, output, timeout, point, say):
    """Measures the points that the folder's table lacks, and writes it anew after each of them.

    What the table holds already, of an interrupted sweep or of one of fewer points, stays; points
    that failed are measured again. After a point that ran out of memory the larger ones of its
    model are not tried: they are recorded as out of memory too, and as not tried.

    Args:
        models: list of str.
        contexts: list of int.
        depths: list of int.
        base: dict of flags of `train_step`.
        output: str. Folder, which is made if it is not there.
        timeout: float. Seconds that a point may take.
        point: function of flags and timeout, as `run_point`.
        say: function of a dict, called for each point that is measured.

    Returns:
        list of dicts: the rows of the points asked for.

    Raises:
        UserError: the folder cannot be written, its table is of other flags or of another device,
            or a point is refused.
    """
    file = pathlib.Path(output) / CSV_NAME
    with command_line.user_errors(OSError, hint=" (--output)"):
        file.parent.mkdir(parents=True, exist_ok=True)
    table = _rows_done(file, base)
    wanted, full = [], set()
    for sweep, flags in points(models, contexts, depths, base):
        place = sweep, flags["model"]
        key = (*place, flags[AXES[sweep]])
        wanted.append(key)
        if key not in table:
            if place in full:
                result = {"oom": True, "tried": False}
            else:
                result = {"oom": False, "tried": True, **point(flags, timeout)}
                _check_device(file, table.values(), result)
            table[key] = {"sweep": sweep, **flags, **result}
            with command_line.user_errors(OSError, hint=" (--output)"):
                write_table(file, table.values())
            say(table[key])
        if table[key]["oom"]:
            full.add(place)
    return [table[key] for key in wanted]


def _rows_done(file, base):
    """Rows of a table by sweep, model and size, less those of failures."""
    rows = read_table(file) if file.exists() else []
    done = {}
    for row in rows:
        size = int(row[AXES[row["sweep"]]])
        flags = _flags(base, row["sweep"], row["model"], size)
        for name, value in flags.items():
            expected = "" if value is None else str(value)
            if row.get(name) != expected:
                raise UserError(
                    f"{file} is of a sweep with --{name}={row.get(name)}, not {expected or None}: "
                    "choose another --output, or move it away"
                )
        if not row.get("error"):
            done[row["sweep"], row["model"], size] = row
    return done


def _check_device(file, rows, result):
    for row in rows:
        for name in ("backend", "device"):
            if row.get(name) and name in result and row[name] != result[name]:
                raise UserError(
                    f"{file} was measured with the {name} {row[name]}, this is {result[name]}: "
                    "choose another --output, or move it away"
                )


def read_table(file):
    """Rows of a table as `write_table` wrote it: dicts of str, but for `oom`, which is a bool.

    Raises:
        UserError: it cannot be read, or is another's.
    """
    with (
        command_line.user_errors(OSError, UnicodeDecodeError, csv.Error),
        open(file, newline="", encoding="utf-8") as stream,
    ):
        table = csv.DictReader(stream)
        rows, names = list(table), set(table.fieldnames or ())
    is_sweep = names >= {"sweep", "model", *AXES.values(), "oom"} and all(
        row["sweep"] in AXES and all((row[name] or "").isdecimal() for name in AXES.values())
        for row in rows
    )
    if not is_sweep:
        raise UserError(f"{file} is no table of a sweep")
    return [{**row, "oom": row["oom"] == "True"} for row in rows]


def write_table(file, rows):
    """Writes dicts as CSV, a column for every key that one of them has: whole, or not at all."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    unfinished = file.with_name(file.name + ".unfinished")
    with open(unfinished, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, names)
        table.writeheader()
        table.writerows(rows)
    os.replace(unfinished, file)
