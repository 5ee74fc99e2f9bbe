import pytest

from pipelines.experiment import page
from pipelines.experiment.table import Table
from tests.pipelines import runs
from tests.pipelines.experiment.reports.test_copy import rows


def make(folder, name, right):
    Table(folder / name).add(rows(right))


def test_own_tables_are_drawn_and_told_beside_their_folder(tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    make(own, "copy.csv", {128: 10_000})
    assert runs.call(page.main, f"--tables={own}/") == 0
    assert capsys.readouterr().out == f"wrote {own}.md, with the pictures in {own}\n"
    text = (tmp_path / "own.md").read_text()
    assert "### Measured here" in text and "](own/copy.svg)" in text
    assert "**128 positions**" in text and (own / "copy.svg").exists()


def test_sizes_come_one_behind_the_other(tmp_path):
    make(tmp_path, "copy_cpu.csv", {128: 10_000})
    make(tmp_path, "copy_h200.csv", {1024: 10_000})
    page.write(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert text.index("On one GPU") < text.index("On two cores")
    assert text.count("## Copies of ever longer sequences") == 1


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_a_table_is_refused(tmp_path, capsys, name):
    line = runs.refusal(capsys, page.main, f"--tables={tmp_path / name}")
    assert "holds no table of an experiment: give the --output" in line
    assert not list(tmp_path.iterdir())
