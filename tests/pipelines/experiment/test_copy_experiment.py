import re

import pytest

from pipelines.experiment import __main__ as command
from pipelines.experiment import table
from tests.pipelines import runs

SMALL = (
    "CopyExperiment.stages = ((8, 4, 1e-2), (16, 4, 1e-2))",
    "CopyExperiment.steps = 4",
    "CopyExperiment.stretch = 2",
    "CopyExperiment.positions = (24,)",
    "CopyExperiment.targets = 60",
    "CopyExperiment.width = 16",
    "CopyExperiment.num_heads = 2",
    "CopyExperiment.num_layers = 1",
    "CopyExperiment.num_latents = 8",
)


def flags(output, *bindings):
    return ["copy", f"--output={output}", *runs.bind(*SMALL, *bindings)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    output = tmp_path_factory.mktemp("copy")
    assert runs.call(command.main, *flags(output)) == 0
    return output


def without_times(rows):
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


def test_the_table_has_a_row_for_each_stage_and_length(done):
    rows = table.read(done / "copy.csv")
    assert [(row["stage"], row["positions"]) for row in rows] == [
        ("16", "16"),
        ("32", "32"),
        ("32", "24"),
    ]
    for row in rows:
        half = int(row["positions"]) // 2
        assert int(row["targets"]) == 60 // (half - 1) * (half - 1)
        assert float(row["accuracy"]) == pytest.approx(int(row["right"]) / int(row["targets"]))
        assert row["steps"] == "4"


def test_what_was_done_is_left_out(done, capsys):
    before = (done / "copy.csv").read_bytes()
    assert runs.call(command.main, *flags(done)) == 0
    assert (done / "copy.csv").read_bytes() == before
    assert capsys.readouterr().err == ""


def test_a_stage_that_is_missing_is_done_again_alike(done, tmp_path):
    """As after a kill between two stages: the weights of the first are there."""
    rows = table.read(done / "copy.csv")
    begun = table.Table(tmp_path / "copy.csv")
    begun.add(rows[:1])
    (tmp_path / "copy_16.weights.h5").write_bytes((done / "copy_16.weights.h5").read_bytes())
    assert runs.call(command.main, *flags(tmp_path)) == 0
    assert without_times(table.read(begun.path)) == without_times(rows)


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("CopyExperiment.stages = ()", "stages must be a tuple of"),
        ("CopyExperiment.stages = ((16, 4, 1e-2), (8, 4, 1e-2))", "half-lengths rising"),
        ("CopyExperiment.stages = ((16, 4),)", "stages must be a tuple of"),
        ("CopyExperiment.stages = ((4, 4, 1e-2),)", "half-length .* ≥ 8.*got 4"),
        ("CopyExperiment.stages = 7", "stages must be a tuple of"),
        ("CopyExperiment.positions = (64,)", "≤ 32, got 64"),
        ("CopyExperiment.positions = (3,)", "≥ 16, got 3"),
        ("CopyExperiment.positions = (17,)", "must be even.* got 17"),
        ("CopyExperiment.positions = (20, 20)", "different integers"),
        ("CopyExperiment.goal = 'all'", "goal must be a finite number > 0"),
        ("CopyExperiment.seed = -1", "seed must be an integer ≥ 0"),
        ("CopyExperiment.seconds = 0", "seconds must be a finite number > 0"),
        ("CopyExperiment.sekonds = 1", "sekonds"),
        ("CopyExperiment.width = 15", "width"),
    ],
)
def test_bad_settings_are_named(tmp_path, capsys, binding, named):

    line = runs.refusal(capsys, command.main, *flags(tmp_path, binding))
    assert re.search(named, line), line


def test_a_name_that_there_is_not(tmp_path, capsys):
    line = runs.refusal(capsys, command.main, "copies", f"--output={tmp_path}")
    assert "copies" in line and "copy" in line


def test_output_that_cannot_be_a_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    line = runs.refusal(capsys, command.main, *flags(tmp_path / "file"))
    assert "file" in line
