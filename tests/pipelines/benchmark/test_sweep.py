import csv
import importlib.util
import subprocess

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
    failed = sweep.measure(
        MODELS, list(contexts), list(depths), BASE, tmp_path / "new", 5, point, said.append
    )
    with open(tmp_path / "new" / sweep.CSV_NAME, newline="") as stream:
        return failed, list(csv.DictReader(stream)), said


def test_every_point_is_a_row(tmp_path):
    failed, rows, said = measure(tmp_path)
    places = [(row["sweep"], row["model"], row["context"], row["layers"]) for row in rows]
    assert places == [
        *(("context", model, size, "1") for model in MODELS for size in ("8", "64", "128")),
        *(("depth", model, "32", depth) for model in MODELS for depth in ("1", "3")),
    ]
    assert len(said) == len(rows)
    assert failed == 2
    assert [row["error"] for row in rows if row["layers"] == "3"] == ["broken", "broken"]


def test_latents_are_no_more_than_inputs(tmp_path):
    _, rows, _ = measure(tmp_path)
    assert [row["latents"] for row in rows[:3]] == ["8", "16", "16"]


def test_beyond_the_first_that_is_out_of_memory_nothing_is_tried(tmp_path):
    _, rows, _ = measure(tmp_path)
    told = [(row["oom"], row["tried"]) for row in rows]
    assert told[3:6] == [("False", "True"), ("True", "True"), ("True", "False")]
    assert rows[4]["steps_per_second"] == ""


def test_the_chart_shows_rates_and_where_memory_ended(tmp_path):
    measure(tmp_path)
    png, svg = chart.draw(tmp_path / "new")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for label in ("Perceiver AR", "Transformer", "out of memory", "targets per second"):
        assert f"<!-- {label} -->" in text
    assert "<!-- Transformer-XL -->" not in text


def test_a_sweep_of_failures_alone_has_a_chart(tmp_path):
    rows = [{"sweep": "depth", **BASE, "model": "transformer", "oom": True}]
    sweep.write_table(tmp_path / sweep.CSV_NAME, rows)
    assert all(file.stat().st_size for file in chart.draw(tmp_path))


def test_the_command_writes_table_and_chart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "run_point", point)
    arguments = ["sweep", f"--output={tmp_path}", "--contexts=16,64", "--depths=1", "--heads=2"]
    arguments += ["--width=16", "--context=32", "--latents=16", "--layers=1", "--timeout=5"]
    assert benchmark.main([*arguments, "--models=perceiver_ar,transformer"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"sweep.csv", "sweep.png", "sweep.svg"}


def test_without_matplotlib_it_says_so_before_it_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(commands, "_write", lambda row: pytest.fail("it measured"))
    with pytest.raises(UserError, match=r"pip install -e '\.\[benchmark\]'.*--no-chart"):
        benchmark.main(["sweep", f"--output={tmp_path}"])


@pytest.mark.parametrize(
    ("status", "output", "errors", "expected"),
    [
        (0, 'noise\n{"command": "train_step", "median_ms": 1}\n', "", {"median_ms": 1}),
        (3, '{"command": "train_step", "oom": true}', "error: out of memory", {"oom": True}),
        (-9, "", "", {"oom": True}),
        (2, "", "warning\nerror: no", {"error": "error: no"}),
        (-11, "", "", {"error": "exit status -11"}),
    ],
)
def test_the_end_of_a_process_tells_what_became_of_a_point(
    monkeypatch, status, output, errors, expected
):
    def run(command, **_):
        assert "--context=32" in command
        return subprocess.CompletedProcess(command, status, output, errors)

    monkeypatch.setattr(subprocess, "run", run)
    assert sweep.run_point({**BASE, "memory": None}, timeout=5) == expected


def test_a_point_that_does_not_end_is_stopped(monkeypatch):
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert sweep.run_point(BASE, timeout=5) == {"error": "not done after 5 s"}
