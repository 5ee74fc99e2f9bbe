"""Pictures of what was measured can be understood by themselves."""

import math
import sys
import warnings

import matplotlib
import pytest
from PIL import Image

from pipelines.errors import UserError
from pipelines.evaluation import picture
from tests.pipelines.evaluation.results import a_result


def text_of(results, path, is_one):
    """A picture whose letters stay letters."""
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        picture.draw(results, str(path), "books", is_one)
    return path.read_text()


def test_one_result_by_place(tmp_path):
    svg = text_of([a_result()], tmp_path / "one.svg", True)
    for part in (
        "books, test, step 30: bits_per_byte 2.5 (95 % interval over 3 documents: 2.25 … 2.75)",
        "1,500 targets, 4 latents, context 8, stride 4",
        "place of the target in its document (targets before it)",
        "latent that scored it, from the first of its row",
        "loss (nats for each target)",
        "512 – 1,023",
    ):
        assert part in svg, part


def test_one_result_of_rows_that_do_not_say_where_they_are_from(tmp_path):
    result = a_result(loss_by_position=None, ci95=None)
    svg = text_of([result], tmp_path / "one.svg", True)
    assert "place of the target" not in svg and "interval" not in svg
    assert "latent that scored it" in svg


def test_a_curve_over_steps(tmp_path):
    results = [a_result(step=step) for step in (30, 60)]
    svg = text_of(results, tmp_path / "steps.svg", False)
    for part in (
        "books, test: bits_per_byte, with its 95 % interval over 3 documents",
        "1,500 targets, latents 4, context 8, stride 4",
        "step of training",
        "bits_per_byte (bits for each byte of text)",
    ):
        assert part in svg, part


def test_a_sweep_has_a_panel_for_each_thing_that_differs(tmp_path):
    results = [
        a_result(num_latents=number, stride=number, context=context, ci95=None)
        for number in (2, 4)
        for context in (8, 16)
    ]
    svg = text_of(results, tmp_path / "sweep.svg", False)
    for part in ("latents of a row", "context (inputs of a row)", "context 16", "latents 2"):
        assert f"{part}</text>" in svg, part
    assert "interval" not in svg and "step of training" not in svg


def a_part(**changed):
    return a_result(batches=8, batches_of_split=321, ci95=None, documents=1, **changed)


def figure_of(results, monkeypatch):
    """The figure of several, which is not written."""
    kept = []
    with monkeypatch.context() as patch:
        patch.setattr(picture.figures, "content", lambda figure, *_, **__: kept.append(figure))
        patch.setattr(picture, "write_bytes", lambda path, content: None)
        picture.draw(results, "all.png", "books", False)
    return kept[0]


def test_what_is_of_other_targets_is_not_joined(tmp_path, monkeypatch):
    results = [
        a_part(num_latents=number, stride=number, context=context, targets=100 * number)
        for number in (2, 4)
        for context in (8, 16)
    ]
    latents, contexts = figure_of(results, monkeypatch).axes
    # Of as many targets are the points of one number of latents alone.
    assert [len(line.get_xdata()) for line in latents.lines] == [1] * 4
    assert [len(line.get_xdata()) for line in contexts.lines] == [2] * 2
    svg = text_of(results, tmp_path / "sweep.svg", False)
    for part in (
        "first 8 of 321 batches, 200 to 400 targets, only figures of equally many can be compared",
        "(200 targets)",
        "latents 4, 400 targets",
    ):
        assert part in svg, part


def test_curves_that_coincide_are_both_seen(monkeypatch):
    results = [
        a_part(num_latents=number, stride=number, context=context)
        for number in (2, 4)
        for context in (8, 16)
    ]
    figure = figure_of(results, monkeypatch)
    for below, above in (panel.lines for panel in figure.axes):
        assert below.get_linewidth() > above.get_linewidth()
        assert below.get_markersize() > above.get_markersize()
        assert below.get_markerfacecolor() == above.get_markerfacecolor() == "none"


def test_an_interval_that_is_cut_says_so(tmp_path):
    results = [a_result(step=step, ci95=[0.0, 7.5], documents=2) for step in (30, 60)]
    svg = text_of(results, tmp_path / "steps.svg", False)
    assert "with its 95 % interval over 2 documents, cut at 0" in svg
    svg = text_of(results[:1], tmp_path / "one.svg", True)
    assert "(95 % interval over 2 documents: 0 … 7.5, cut at 0)" in svg


def test_a_part_of_a_split_is_named(tmp_path):
    svg = text_of([a_part()], tmp_path / "one.svg", True)
    assert "first 8 of 321 batches, 1,500 targets" in svg


def test_what_is_infinite_is_left_out_without_a_warning(tmp_path):
    endless = {"word_perplexity": math.inf, "ci95": [1.0, math.inf], "ci95_of": "word_perplexity"}
    results = [a_result(**endless), a_result(**endless | {"word_perplexity": 5.0}, step=60)]
    with warnings.catch_warnings(action="error", category=RuntimeWarning):
        picture.draw(results, str(tmp_path / "steps.png"), "books", False)


def test_png(tmp_path):
    path = tmp_path / "one.PNG"
    picture.check(str(path))
    picture.draw([a_result()], str(path), "books", True)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.size[0] > image.size[1]


def test_other_kinds_are_refused():
    with pytest.raises(UserError, match=r"--picture must end in \.png or \.svg, got 'a\.jpg'"):
        picture.check("a.jpg")


def test_without_matplotlib_it_says_so_before_it_measures(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="needs matplotlib: pip install .* leave --picture out"):
        picture.check("a.png")
