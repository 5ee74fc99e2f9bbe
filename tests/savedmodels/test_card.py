import re

import pytest

from savedmodels import card


def history(stretches):
    return [{"step": 50 * n, "loss": 5.0 / n} for n in range(1, stretches + 1)]


@pytest.mark.parametrize("stretches", [1, 3])
def test_each_stretch_is_a_point_that_can_be_seen(stretches):
    (line,) = card.draw(history(stretches), "Books").axes[0].lines
    assert line.get_marker() not in ("None", "", None)
    assert line.get_xdata().tolist() == [50 * n for n in range(1, stretches + 1)]


def test_the_labels_are_not_cut_off():
    figure = card.draw(history(3), "Copies of random sequences")
    figure.canvas.draw()
    (panel,) = figure.axes
    for text in (panel.yaxis.label, panel.xaxis.label, panel.title):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width, text.get_text()
        assert box.y0 >= 0 and box.y1 <= figure.bbox.height, text.get_text()


def test_the_licence_of_the_code_is_that_of_setup(repository):
    setup = (repository / "setup.py").read_text(encoding="utf-8")
    assert re.search(r'license_expression="(.+)"', setup)[1] == card.CODE_LICENCE
