"""docs/experiments.md is what its tables say, and its commands run at a small size."""

import pytest

from pipelines.experiment import catalogue, page, table
from tests.pipelines.experiment import npy_sets
from tests.pipelines.experiment.test_copy_experiment import SMALL
from tests.pipelines.experiment.test_document_experiments import MODEL, SETTINGS
from tests.pipelines.runs import bind
from tests.repository import pages


def test_the_page_is_written_from_its_tables(repository, tmp_path):
    docs = repository / "docs"
    found = sorted(path.name for path in (docs / "experiments").glob("*.csv"))
    for name in found:
        (tmp_path / name).write_bytes((docs / "experiments" / name).read_bytes())
    page.write(tmp_path, tmp_path / "page.md")
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    committed = (docs / "experiments.md").read_text(encoding="utf-8")
    assert committed.replace("](experiments/", "](") == written, "run `make experiments-page`"
    known = {f"{name}_{size}.csv" for name in catalogue.NAMES for size in catalogue.SIZES}
    assert found and set(found) <= known
    for name in found:
        assert (docs / "experiments" / name).with_suffix(".svg").exists()


@pytest.mark.slow
def test_every_command_runs(repository, tmp_path):
    raw, made = tmp_path / "raw", tmp_path / "made"
    npy_sets.write_books(raw)
    places = {
        "BOOKS": raw,
        "savedmodels/books": tmp_path / "exported",
        "books-npy": tmp_path / "npy",
        "=experiments": f"={made}",
    }
    extra = {
        "pipelines.experiment copy": bind(*SMALL),
        "pipelines.experiment context": bind(*MODEL, *SETTINGS["context"]),
        "savedmodels.trained": bind(*MODEL, *SETTINGS["latents_books"]),
    }
    docs = repository / "docs"
    ran = pages.run_commands(docs / "experiments.md", repository, places, extra)
    assert [name for name, *_ in ran] == [
        "pipelines.prepare",
        "pipelines.experiment",
        "pipelines.experiment",
        "savedmodels.trained",
    ]
    for name in ("copy", "context", "latents_books"):
        assert table.read(made / f"{name}.csv")
    card = (tmp_path / "exported" / "README.md").read_text()
    for part in (
        "public domain",
        "## Limits",
        "curve.svg",
        "`generate_text`",
        "savedmodels.trained",
    ):
        assert part in card, part
    assert (tmp_path / "exported" / "1" / "saved_model.pb").exists()
    assert (tmp_path / "exported" / "curve.svg").exists()
