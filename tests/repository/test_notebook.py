"""The notebook runs from top to bottom, shows what its text says, and is stored without outputs."""

import os
import re

import nbformat
import pytest
from nbclient import NotebookClient

NAME = "docs/notebooks/perceiver_ar_in_ten_minutes.ipynb"


@pytest.fixture(scope="module")
def stored(repository):
    return nbformat.read(repository / NAME, as_version=4)


@pytest.fixture(scope="module")
def shown(repository, stored, tmp_path_factory):
    """What each cell of code shows under the heading it stands under: dict of list of outputs."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    folder = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    client = NotebookClient(nbformat.from_dict(stored), kernel_name="python3", resources=folder)
    shown, heading = {}, None
    for cell in client.execute(env=environment).cells:
        if cell.cell_type == "markdown":
            heading = re.match(r"#+ (.+)", cell.source)[1]
        else:
            shown[heading] = cell.outputs
    return shown


def test_it_is_stored_without_outputs_and_small(repository, stored):
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert len(cells) > 5
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]
    assert (repository / NAME).stat().st_size < 20_000


def test_a_picture_has_a_title_and_names_its_axes(stored):
    (cell,) = [cell.source for cell in stored.cells if "plt.show" in cell.source]
    for part in ("set_title", "set_xlabel", "set_ylabel"):
        assert f"axes.{part}(" in cell


@pytest.mark.slow
def test_it_learns(shown):
    losses = [float(loss) for loss in re.findall(r"\d+\.\d+", shown["It learns"][0].text)]
    assert len(losses) == 5 and losses[0] > 2 and losses[-1] < 0.5


@pytest.mark.slow
def test_it_draws_one_picture(shown):
    pictures = [out for outputs in shown.values() for out in outputs if "data" in out]
    assert len(pictures) == 1 and "image/png" in pictures[0].data
    assert pictures == shown["How surprised it is"]


@pytest.mark.slow
def test_more_latents_know_more(shown):
    found = re.findall(r"(\d+) latents: (\S+) bits", shown["More latents, or fewer"][0].text)
    assert [int(latents) for latents, _ in found] == [1, 2, 4, 8, 16, 32]
    assert float(found[-1][1]) < float(found[0][1]) < 8


@pytest.mark.slow
def test_it_writes_on_and_is_saved(shown):
    first, second = shown["It goes on"][0].text.splitlines()
    assert first.startswith("It is a truth univ") and second.startswith("it was the season of ")
    assert shown["Saved and loaded"][0].text == "equal: True\n"
