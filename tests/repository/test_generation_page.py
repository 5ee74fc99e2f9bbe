"""The commands of docs/generation.md run as they are printed there."""

import pytest

from tests.pipelines import runs
from tests.repository import pages


@pytest.mark.slow
def test_its_commands_run(repository, tmp_path):
    flags = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 40")
    runs.save_untrained(tmp_path / "run", flags, scale=0.5)
    places = {"runs/books": tmp_path / "run"}
    page = repository / "docs" / "generation.md"
    (searched,) = pages.run_commands(page, repository, places, {})
    name, _, printed = searched
    assert name == "pipelines.generate" and printed.startswith("It was ")
