import sys

import pytest

from pipelines import figures
from pipelines.errors import UserError


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_figure_is_the_same_bytes(kind):
    found = []
    for _ in range(2):
        figure = figures.figure(2, 2)
        figure.subplots().plot([0, 1], [0, 1], clip_on=True)
        found.append(figures.content(figure, kind))
    assert found[0] == found[1]
    assert found[0].startswith({"svg": b"<?xml", "png": b"\x89PNG"}[kind])


def test_colours_and_markers_are_as_many_and_differ():
    assert len(set(figures.COLOURS)) == len(set(figures.MARKERS)) == len(figures.COLOURS)


@pytest.mark.parametrize("otherwise", ["", "leave it"])
def test_what_to_install_is_said(monkeypatch, otherwise):
    figures.check_installed("the picture needs", otherwise)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError) as refused:
        figures.check_installed("the picture needs", otherwise)
    said = "the picture needs matplotlib: pip install matplotlib"
    assert str(refused.value) == said + (", or leave it" if otherwise else "")
