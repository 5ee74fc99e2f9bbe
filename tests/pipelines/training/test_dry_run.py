"""A run is described before it costs anything."""

import re

import pytest

from pipelines import train
from tests.pipelines import runs


def describe(capsys, *flags):
    assert runs.call(train.main, *flags, "--dry_run") == 0
    out = capsys.readouterr().out
    config, _, table = out.partition("┏" if "┏" in out else "┌")
    rows = [re.split("[│┃]", line) for line in table.splitlines()]
    return config, {row[1].strip(): row[2].strip() for row in rows if len(row) > 2}


def test_a_published_run_is_described_without_its_weights(tmp_path, capsys):
    flags = ["--gin_file=gin/runs/copy_131072.gin", f"--model_dir={tmp_path / 'run'}"]
    config, table = describe(capsys, *flags)
    assert "CopyTask.length = %CONTEXT" in config and "CONTEXT = 131072" in config
    assert table["parameters"] == f"{223_976_707 - 131_073 * 1024:,}"
    assert table["computes in"] == "float32, weights in float32"
    assert table["tokens read a step"] == f"{4096 * 131_072:,} at most"
    assert table["targets a step"] == f"{4096 * 1024:,} at most"
    assert table["steps to finish"] == "25,000 of 25,000"
    # 4 B C² M of keys and values alone, times 3.
    assert float(table["FLOPs a step"].split(",")[0]) > 3 * 4 * 4096 * 1024**2 * 131_072
    assert not (tmp_path / "run").exists()


def test_a_run_that_has_begun_has_fewer_steps_left(tmp_path, capsys):
    flags = [*runs.copy_flags(), f"--model_dir={tmp_path / 'run'}"]
    assert runs.call(train.main, *flags, *runs.bind("STEPS = 3")) == 0
    before = runs.fingerprints(tmp_path / "run")
    _, table = describe(capsys, *flags)
    assert table["steps to finish"] == "3 of 6"
    assert runs.fingerprints(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("PerceiverARBackbone.num_heads = 3", "num_heads"),
        ("BooksTask.path = 'x'", "has no effect"),
        ("STEPS = -1", "TrainSettings.steps"),
    ],
)
def test_what_does_not_fit_is_refused_all_the_same(tmp_path, capsys, binding, named):
    flags = [*runs.copy_flags(binding), f"--model_dir={tmp_path / 'run'}", "--dry_run"]
    assert named in runs.refusal(capsys, train.main, *flags)
