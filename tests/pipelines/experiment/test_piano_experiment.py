import os
import re
import subprocess
import sys
import wave

import numpy as np
import pytest

from pipelines import midi_files
from pipelines.experiment import __main__ as command
from pipelines.experiment import performance_files, table
from pipelines.experiment.npy_rows import NpyRows
from tests.pipelines import runs
from tests.pipelines.experiment import npy_sets

SMALL = (
    "BATCH_SIZE = 4",
    "PianoExperiment.context = 24",
    "PianoExperiment.num_latents = 8",
    "PianoExperiment.steps = 4",
    "PianoExperiment.primers = 2",
    "PianoExperiment.primer_events = 8",
    "PianoExperiment.new_events = 16",
    "PianoExperiment.samples = 2",
    "Language.stretch = 2",
    "PerceiverARBackbone.width = 16",
)
SOURCES = {"training": 3, "validation": 2, "continued": 4, "unprompted": 4}


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    return npy_sets.make_music(tmp_path_factory.mktemp("sets"))


def flags(music, output, *bindings):
    folder = output.with_name(output.name + "-gin")
    file = npy_sets.write_gin(folder, f"DATA = '{music}'", *SMALL)
    return ["piano", f"--output={output}", file, *runs.bind(*bindings)]


@pytest.fixture(scope="module")
def done(music, tmp_path_factory):
    output = tmp_path_factory.mktemp("piano")
    assert runs.call(command.main, *flags(music, output), "--show") == 0
    return output


@pytest.mark.slow
def test_the_table_holds_likelihoods_and_statistics(done, music):
    rows = table.read(done / "piano.csv")
    likelihood = [row for row in rows if row["part"] == "likelihood"]
    splits = [(row["split"], row["document"]) for row in likelihood]
    assert splits == [("validation", "0"), ("validation", "1"), ("test", "0")]
    for row in likelihood:
        events = NpyRows(music).num_events(row["split"])[int(row["document"])]
        assert int(row["targets"]) == events - 1
    statistics = [row for row in rows if row["part"] == "statistics"]
    assert {s: sum(row["source"] == s for row in statistics) for s in SOURCES} == SOURCES
    assert [row["group"] for row in statistics if row["source"] == "continued"] == [*"0011"]


@pytest.mark.slow
def test_statistics_of_what_was_played_are_those_of_its_notes(done, music):
    """Eight notes a fifth of a second apart: those behind the primer's place."""
    rows = [row for row in table.read(done / "piano.csv") if row.get("source") == "validation"]
    for number, row in enumerate(rows):
        ids = NpyRows(music).events("validation", number)[9:25]
        assert int(row["notes"]) == np.count_nonzero((ids >= 3) & (ids < 131))
        assert float(row["onset_gap_50"]) == pytest.approx(0.21)
        assert float(row["velocity"]) == 66  # the middle of 64 … 67


@pytest.mark.slow
def test_samples_keep_their_primers(done, music):
    continued, unprompted = (
        np.load(done / f"piano_{source}_samples.npy") for source in ("continued", "unprompted")
    )
    assert continued.shape == (4, 9 + 16) and unprompted.shape == (4, 1 + 16)
    for number, row in enumerate(continued):
        primer = NpyRows(music).events("validation", number // 2)[:9]
        assert np.array_equal(row[:9], primer)
    assert (unprompted[:, 0] == 2).all()
    assert len({row.tobytes() for row in [*continued[:, 9:], *unprompted[:, 1:]]}) == 8


@pytest.mark.slow
def test_each_sample_is_there_to_be_heard_and_seen(done):
    written = 0
    for source in ("continued", "unprompted"):
        for number, row in enumerate(np.load(done / f"piano_{source}_samples.npy")):
            base = f"piano_{source}_{number}"
            if not ((row >= 3) & (row < 131)).any():  # no note-on
                assert not (done / f"{base}.mid").exists()
                continue
            written += 1
            notes = midi_files.read(done / f"{base}.mid")
            with wave.open(str(done / f"{base}.wav")) as sound:
                seconds = sound.getnframes() / sound.getframerate()
            assert seconds == pytest.approx(notes["offset"].max(), abs=0.01)
            assert (done / f"{base}_roll.png").read_bytes().startswith(b"\x89PNG")
    assert written >= 4  # those with a primer
    assert (done / "piano_statistics.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_what_was_done_is_left_out(done, music, capsys):
    before = runs.fingerprints(done)
    assert runs.call(command.main, *flags(music, done)) == 0
    assert runs.fingerprints(done) == before
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_what_a_kill_left_out_is_done_alike(done, music, tmp_path):
    """As after a kill with the likelihoods, some statistics and some samples done."""
    rows = table.read(done / "piano.csv")
    begun = table.Table(tmp_path / "piano.csv")
    begun.add(rows[:6])
    for file in ("piano_0.weights.h5", "piano_continued_samples.npy"):
        (tmp_path / file).write_bytes((done / file).read_bytes())
    assert runs.call(command.main, *flags(music, tmp_path)) == 0
    assert table.read(begun.path) == rows
    file = "piano_unprompted_samples.npy"
    assert (tmp_path / file).read_bytes() == (done / file).read_bytes()


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("PianoExperiment.new_events = 17", "8 and 17, together more than the context 24"),
        ("PianoExperiment.primers = 3", "primers .* ≤ 2, got 3"),
        (
            "PianoExperiment.primer_events = 40\nPianoExperiment.context = 64",
            "primer_events is 40, and a validation performance has",
        ),
        ("PianoExperiment.num_latents = 25", "num_latents .* ≤ 24, got 25"),
        ("PianoExperiment.samples = 0", "samples must be an integer"),
        ("PianoExperiment.top_p = 1.5", "top_p"),
        ("PianoExperiment.seeds = ()", "seeds must be a tuple"),
        ("PianoExperiment.primer = 3", "primer"),
    ],
)
def test_bad_settings_are_named(music, tmp_path, capsys, binding, named):
    line = runs.refusal(capsys, command.main, *flags(music, tmp_path, binding))
    assert re.search(named, line), line


def test_images_are_no_performances(tmp_path, capsys):
    images = npy_sets.make_images(tmp_path, "images")
    splits = "Language.splits = ('validation',)"
    line = runs.refusal(capsys, command.main, *flags(images, tmp_path, splits))
    assert "holds no performances" in line and images in line


@pytest.mark.slow
def test_without_tensorflow_io_all_but_that_picture_is_there(done, music, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    monkeypatch.setitem(sys.modules, "tensorflow_io.python.api", None)
    for file in done.glob("piano_continued_0*"):
        file.unlink()
    assert runs.call(command.main, *flags(music, done), "--show") == 0
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if line.startswith("no pictures of the sound")]
    assert "need tensorflow-io" in line and "pip install -e '.[io]'" in line
    found = {file.name for file in done.glob("piano_continued_0*")}
    assert found == {f"piano_continued_0{end}" for end in (".mid", ".wav", "_roll.png")}


@pytest.mark.slow
def test_pictures_say_what_a_sample_is_and_of_which_model(done, music, monkeypatch):
    titles = []

    def write(token_ids, given, base, say, title, with_mel):
        titles.append(title)

    monkeypatch.setattr(performance_files, "write", write)
    assert runs.call(command.main, *flags(music, done), "--show") == 0
    assert titles[1].startswith(
        "Validation performance 0 continued behind its first 8 events, sample 1, by Perceiver AR: "
    )
    assert titles[2].startswith("Validation performance 1 ") and "sample 0" in titles[2]
    assert titles[4].startswith("Performance 0, drawn from nothing, by Perceiver AR: ")
    model = "4 steps, context 24 events, 8 latents, temperature 1, top-p 0.95"
    assert all(title.endswith(model) for title in titles) and len(titles) == 8


# As on a machine with JAX, numpy, scipy, matplotlib, pillow and gin alone.
WITHOUT_TENSORFLOW = """
import importlib.abc, sys

MISSING = ("tensorflow", "apache_beam", "orbit", "mido", "pretty_midi", "tensorflow_io")

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from pipelines import command_line
from pipelines.experiment import __main__ as command
command_line.run(command.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["orders", "piano"])
def test_all_but_sound_is_made_where_there_is_no_tensorflow(
    repository, music, tmp_path, experiment
):
    arguments = flags(music, tmp_path / "out")
    if experiment == "orders":
        from tests.pipelines.experiment import test_orders_experiment as orders

        names = {order: order for order in ("raster", "rgb")}
        sets = {name: npy_sets.make_images(tmp_path, name, order) for name, order in names.items()}
        two = "OrdersExperiment.folders = {'raster': %RASTER, 'rgb': %RGB}"
        one = "OrdersExperiment.seeds = (0,)"
        arguments = orders.flags({**sets, "permuted": ""}, tmp_path / "out", two, one)
        arguments.append("--show")
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        cwd=repository,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    found = {file.name for file in (tmp_path / "out").iterdir()}
    wanted = {
        "orders": {"orders_samples.png", "orders_rgb_samples.npy", "orders.csv"},
        "piano": {"piano.csv", "piano_continued_samples.npy", "piano_0.weights.h5"},
    }
    assert wanted[experiment] <= found
