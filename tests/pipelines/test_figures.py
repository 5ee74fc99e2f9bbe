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


def test_what_shares_a_picture_looks_different():
    for names in (
        ("perceiver_ar", "transformer", "transformer_xl"),
        ("training", "validation", "test", "continued", "unprompted", "another split"),
    ):
        looks = [figures.style(name) for name in names]
        for part in ("color", "marker"):
            assert len({look[part] for look in looks}) == len(names)


def test_a_legend_has_each_label_once_and_lies_below_the_panels():
    figure = figures.figure(4, 4)
    for panel in figure.subplots(1, 2):
        panel.plot([0, 1], [0, 1], label="a line")
    figure.axes[1].plot([0, 1], [1, 0], label="another")
    figures.legend_below(figure)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a line", "another"]
    assert all(legend.get_window_extent().y1 < panel.bbox.y0 for panel in figure.axes)


def test_without_labels_there_is_no_legend():
    figure = figures.figure(2, 2)
    figure.subplots().plot([0, 1], [0, 1])
    figures.legend_below(figure)
    assert not figure.legends


@pytest.mark.parametrize("otherwise", ["", "leave it"])
def test_what_to_install_is_said(monkeypatch, otherwise):
    figures.check_installed("the picture needs", otherwise)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError) as refused:
        figures.check_installed("the picture needs", otherwise)
    said = "the picture needs matplotlib: pip install matplotlib"
    assert str(refused.value) == said + (", or leave it" if otherwise else "")
