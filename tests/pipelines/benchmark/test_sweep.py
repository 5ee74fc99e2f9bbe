import csv
import os
import shutil
import signal
import subprocess
import sys

import matplotlib
import pytest

from pipelines.benchmark import __main__ as benchmark
from pipelines.benchmark import chart, commands, sweep
from pipelines.errors import UserError

MODELS = ["perceiver_ar", "transformer"]
BASE = {"context": 32, "latents": 16, "layers": 1, "width": 16, "batch": 2, "dtype": "float32"}


def point(flags, timeout):
    """A device on which a Transformer of 64 inputs finds no room, and depth 3 breaks."""
    if flags["model"] == "transformer" and flags["context"] >= 64:
        return {"oom": True}
    if flags["layers"] == 3:
        return {"error": "broken"}
    assert timeout == 5
    rate = 1000 / flags["context"] / flags["layers"]
    return {
        "steps_per_second": rate,
        "targets_per_second": rate * flags["latents"],
        "backend": "jax",
        "device": "cpu",
    }


def measure(tmp_path, contexts=(128, 8, 64), depths=(1, 3)):
    said = []
    result = sweep.measure(
        MODELS, list(contexts), list(depths), BASE, tmp_path / "new", 5, point, said.append
    )
    assert len(result) == len(MODELS) * len(contexts + depths)
    with open(tmp_path / "new" / sweep.CSV_NAME, newline="") as stream:
        return list(csv.DictReader(stream)), said


def test_every_point_is_a_row(tmp_path):
    rows, said = measure(tmp_path)
    places = [(row["sweep"], row["model"], row["context"], row["layers"]) for row in rows]
    assert places == [
        *(("context", model, size, "1") for model in MODELS for size in ("8", "64", "128")),
        *(("depth", model, "32", depth) for model in MODELS for depth in ("1", "3")),
    ]
    assert len(said) == len(rows)
    assert [row["error"] for row in rows if row["layers"] == "3"] == ["broken", "broken"]


def test_latents_are_no_more_than_inputs(tmp_path):
    rows, _ = measure(tmp_path)
    assert [row["latents"] for row in rows[:3]] == ["8", "16", "16"]


def test_beyond_the_first_that_is_out_of_memory_nothing_is_tried(tmp_path):
    rows, _ = measure(tmp_path)
    told = [(row["oom"], row["tried"]) for row in rows]
    assert told[3:6] == [("False", "True"), ("True", "True"), ("True", "False")]
    assert rows[4]["steps_per_second"] == ""


def test_an_interrupted_sweep_goes_on(tmp_path):
    expected, _ = measure(tmp_path)
    ran = []

    def interrupted(flags, timeout):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(flags)
        return point(flags, timeout)

    (tmp_path / "new" / sweep.CSV_NAME).unlink()
    with pytest.raises(KeyboardInterrupt):
        sweep.measure(
            MODELS, [128, 8, 64], [1, 3], BASE, tmp_path / "new", 5, interrupted, ran.count
        )
    rows, said = measure(tmp_path)
    assert [(row["sweep"], row["model"], row["context"], row["layers"]) for row in said] == [
        (row["sweep"], row["model"], int(row["context"]), int(row["layers"]))
        for row in expected[3:]
    ]
    assert rows == expected


def test_a_finished_sweep_takes_further_points_and_keeps_the_others(tmp_path):
    before, _ = measure(tmp_path, contexts=(8, 64, 128), depths=(1,))
    after, said = measure(tmp_path, contexts=(256,), depths=(1,))
    assert after[: len(before)] == before
    assert [(row["context"], row["oom"], row["tried"]) for row in said] == [
        (256, False, True),
        (256, True, True),
    ]


def test_points_beyond_memory_are_not_tried_by_a_later_sweep(tmp_path):
    measure(tmp_path, contexts=(64,), depths=())
    _, said = measure(tmp_path, contexts=(64, 256), depths=())
    assert [(row["model"], row["oom"], row["tried"]) for row in said] == [
        ("perceiver_ar", False, True),
        ("transformer", True, False),
    ]


def test_failed_points_are_measured_again(tmp_path):
    measure(tmp_path)
    _, said = measure(tmp_path)
    assert [row["layers"] for row in said] == [3, 3]


@pytest.mark.parametrize(
    ("base", "text"),
    [
        ({"width": 32}, "--width=16, not 32: choose another --output"),
        ({"latents": 17}, "--latents=16, not 17"),
        ({"memory": 5}, "--memory=None, not 5"),
    ],
)
def test_a_table_of_other_flags_is_left_alone(tmp_path, base, text):
    measure(tmp_path)
    file = tmp_path / "new" / sweep.CSV_NAME
    before = file.read_bytes()
    with pytest.raises(UserError, match=text):
        sweep.measure(MODELS, [8], [], {**BASE, **base}, file.parent, 5, point, pytest.fail)
    assert file.read_bytes() == before


def test_a_table_of_another_device_is_left_alone(tmp_path):
    measure(tmp_path)
    file = tmp_path / "new" / sweep.CSV_NAME
    before = file.read_bytes()

    def elsewhere(flags, timeout):
        return {**point(flags, timeout), "device": "H200"}

    with pytest.raises(UserError, match="measured with the device cpu, this is H200"):
        sweep.measure(MODELS, [16], [], BASE, file.parent, 5, elsewhere, pytest.fail)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["month,sales\n1,2\n", "sweep,model,context,layers,oom\ncontext,x,many,1,\n", "\0\n"]
)
@pytest.mark.parametrize("command", ["sweep", "chart"])
def test_a_table_of_something_else_is_left_alone(tmp_path, text, command):
    file = tmp_path / sweep.CSV_NAME
    file.write_text(text)
    with pytest.raises(UserError, match=r"sweep\.csv"):
        benchmark.main([command, f"--output={tmp_path}"])
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_the_chart_shows_rates_and_where_memory_ended(tmp_path):
    measure(tmp_path)
    png, svg = chart.draw(tmp_path / "new")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for label in ("Perceiver AR", "Transformer", "out of memory", "targets per second"):
        assert f"<!-- {label} -->" in text
    assert "<!-- Transformer-XL -->" not in text


def test_the_chart_says_nothing_of_memory_where_it_sufficed(tmp_path):
    rows = [
        {"sweep": "context", **BASE, "model": model, "oom": False, "device": "a card"}
        | {"context": size, "backend": "jax", "steps_per_second": 1, "targets_per_second": 2}
        for model, sizes in (("perceiver_ar", (8, 16)), ("transformer", (8,)))
        for size in sizes
    ]
    sweep.write_table(tmp_path / sweep.CSV_NAME, rows)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        _, svg = chart.draw(tmp_path)
    text = svg.read_text()
    assert "Perceiver AR" in text and "out of memory" not in text
    for part in ("width 16, at most 16 latents, batch 2, float32", "jax on a card"):
        assert part in text
    assert "where a line has no point, nothing was measured" in text


def test_a_sweep_of_failures_alone_has_a_chart(tmp_path):
    rows = [{"sweep": "depth", **BASE, "model": "transformer", "oom": True}]
    sweep.write_table(tmp_path / sweep.CSV_NAME, rows)
    assert all(file.stat().st_size for file in chart.draw(tmp_path))


def test_the_command_writes_table_and_chart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "run_point", point)
    arguments = ["sweep", f"--output={tmp_path}", "--contexts=16,64", "--depths=1", "--heads=2"]
    arguments += ["--width=16", "--context=32", "--latents=16", "--layers=1", "--timeout=5"]
    arguments += ["--models=perceiver_ar,transformer"]
    assert benchmark.main(arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert benchmark.main(arguments) == 0
    output, errors = capsys.readouterr()
    assert output == "" and "6 points were in" in errors
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"sweep.csv", "sweep.png", "sweep.svg"}


def test_without_matplotlib_it_says_so_before_it_measures(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(commands, "_write", lambda row: pytest.fail("it measured"))
    with pytest.raises(UserError, match="pip install matplotlib.*--no-chart"):
        benchmark.main(["sweep", f"--output={tmp_path}"])


@pytest.mark.parametrize(
    ("status", "output", "errors", "expected"),
    [
        (0, 'noise\n{"command": "train_step", "median_ms": 1}\n', "", {"median_ms": 1}),
        (3, '{"command": "train_step", "oom": true}', "error: out of memory", {"oom": True}),
        (-9, "", "", {"oom": True}),
        (1, "", "warning\nerror: no", {"error": "error: no"}),
        (-11, "", "", {"error": "exit status -11"}),
    ],
)
def test_the_end_of_a_process_tells_what_became_of_a_point(
    monkeypatch, status, output, errors, expected
):
    ended(monkeypatch, status, output, errors)
    assert sweep.run_point({**BASE, "memory": None}, timeout=5) == expected


def ended(monkeypatch, status, output, errors):
    """Has every process end like this."""

    def run(command, **_):
        assert "--context=32" in command
        return subprocess.CompletedProcess(command, status, output, errors)

    monkeypatch.setattr(subprocess, "run", run)


def test_flags_that_are_refused_end_the_sweep(tmp_path, monkeypatch):
    ended(monkeypatch, 2, "", "noise\nerror: --attention=fused cannot be had here")
    with pytest.raises(UserError, match="^--attention=fused cannot be had here$"):
        benchmark.main(["sweep", f"--output={tmp_path}", "--contexts=32", "--no-chart"])
    assert not list(tmp_path.iterdir())


def test_a_sweep_without_any_room_says_so(tmp_path, monkeypatch, capsys):
    ended(monkeypatch, -9, "", "")
    arguments = ["sweep", f"--output={tmp_path}", "--contexts=32", "--context=32", "--latents=8"]
    assert benchmark.main([*arguments, "--no-chart"]) == 3
    assert capsys.readouterr().err == "error: out of memory at every point\n"


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="ends a process with util-linux")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_measurement_outlives_its_sweep(repository, tmp_path, end):
    """A stand-in of a point holds a pipe open as long as it lives."""
    os.mkfifo(tmp_path / "pipe")
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!/bin/sh\nexec 9>{tmp_path}/pipe\necho begun >&9\nsleep 20 9>&-\necho outlived >&9\n"
    )
    stand_in.chmod(0o755)
    code = (
        "import sys; from pipelines.benchmark import sweep;"
        f"sys.executable = {str(stand_in)!r}; sweep.run_point({{}}, 60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=repository)
    with open(tmp_path / "pipe") as pipe:
        assert pipe.readline() == "begun\n"
        process.send_signal(end)
        assert process.wait() == -end
        assert pipe.read() == ""


def test_a_point_that_does_not_end_is_stopped(monkeypatch):
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert sweep.run_point(BASE, timeout=5) == {"error": "not done after 5 s"}
