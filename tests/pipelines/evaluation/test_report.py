"""Tables and JSON of what was measured."""

import json
import math

import pytest

from pipelines.errors import UserError
from pipelines.evaluation import report
from tests.pipelines.evaluation.results import a_result


def test_one_result_is_written_by_itself_and_the_same_each_time(tmp_path):
    report.write([a_result()], tmp_path / "one.json", is_one=True)
    wanted = a_result()
    del wanted["targets_per_second"]  # which differs from time to time
    assert json.loads((tmp_path / "one.json").read_text()) == wanted


def test_several_are_a_list(tmp_path):
    results = [a_result(), a_result(step=60)]
    for is_complete in (False, True):
        report.write(results, tmp_path / "all.json", is_one=False, is_complete=is_complete)
        wanted = {"complete": is_complete, "results": results}
        assert json.loads((tmp_path / "all.json").read_text()) == wanted


def test_what_is_no_number_is_null(tmp_path):
    rows = [{"from": 0, "to": None, "loss": math.nan, "targets": 5}]
    result = a_result(loss=math.nan, ci95=[0.0, math.inf], loss_by_position=rows)
    report.write([result], tmp_path / "one.json", is_one=True)
    found = json.loads((tmp_path / "one.json").read_text(), parse_constant=pytest.fail)
    assert found["loss"] is None and found["ci95"] == [0.0, None]
    assert found["loss_by_position"][0]["loss"] is None


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no/such/one\.json"):
        report.write([a_result()], tmp_path / "no" / "such" / "one.json", is_one=True)


@pytest.mark.parametrize(
    ("changes", "axes", "fixed"),
    [
        ([{}], ["step"], {"num_latents": 4, "context": 8, "stride": 4}),
        ([{}, {"step": 60}], ["step"], {"num_latents": 4, "context": 8, "stride": 4}),
        # The stride of blocks goes with the latents.
        (
            [{}, {"num_latents": 2, "stride": 2}],
            ["num_latents"],
            {"step": 30, "context": 8},
        ),
        (
            [{}, {"stride": 1}],
            ["stride"],
            {"step": 30, "num_latents": 4, "context": 8},
        ),
        (
            [{"stride": 1}, {"num_latents": 2, "stride": 1}],
            ["num_latents"],
            {"step": 30, "context": 8, "stride": 1},
        ),
    ],
)
def test_what_differs_is_told_from_what_does_not(changes, axes, fixed):
    assert report.axes_of([a_result(**each) for each in changes]) == (axes, fixed)


@pytest.mark.parametrize(
    ("begin", "end", "text"),
    [(0, 1, "0"), (512, 1024, "512 – 1,023"), (2**30, None, "1,073,741,824 –")],
)
def test_a_bucket_in_words(begin, end, text):
    assert report.range_text({"from": begin, "to": end}) == text


def test_a_line_for_each_of_several(capsys):
    report.print_several([a_result(), a_result(step=60, ci95=None, targets_per_second=None)])
    out = capsys.readouterr().out
    assert "test, 1,500 targets, latents 4, context 8, stride 4" in out
    lines = [line.replace(" ", "") for line in out.splitlines()]
    assert "│30│2.5│2.25…2.75│22,688│1234.6│" in lines
    assert "│60│2.5│–│22,688│–│" in lines


def test_results_of_other_targets_say_so(capsys):
    report.print_several([a_result(), a_result(stride=2, targets=750)])
    out = capsys.readouterr().out
    assert "test, 750 to 1,500 targets, step 30" in out
    lines = [line.replace(" ", "") for line in out.splitlines()]
    assert "│2│750│2.5│2.25…2.75│22,688│1234.6│" in lines


def test_one_without_places(capsys):
    report.print_one(a_result(loss_by_position=None, ci95=None, documents=None))
    out = capsys.readouterr().out
    assert "loss_by_position" not in out and "loss_by_latent" in out
    assert "–" in out


def test_a_result_in_a_line():
    line = "step 30, latents 4, context 8, stride 4: bits_per_byte 2.5"
    assert report.line_of(a_result()) == line
