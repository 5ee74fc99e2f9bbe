"""Tables and JSON of what was measured."""

import json
import math
import re

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
    assert "│30│2.5│2.25…2.75│22,688│1,230│" in lines
    assert "│60│2.5│–│22,688│–│" in lines


def test_results_of_other_targets_say_so(capsys):
    report.print_several([a_result(), a_result(stride=2, targets=750)])
    out = capsys.readouterr().out
    title = "test, 750 to 1,500 targets, only figures of equally many can be compared, step 30"
    assert title in " ".join(out.replace("\n", " ").split())
    lines = [line.replace(" ", "") for line in out.splitlines()]
    assert "│2│750│2.5│2.25…2.75│22,688│1,230│" in lines


def test_no_word_of_a_heading_is_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    results = [
        a_result(num_latents=n, stride=n, context=m, targets=n * 500, flops_per_target=2_603_008)
        for n in (16, 64)
        for m in (128, 256)
    ]
    report.print_several(results)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    words = set(out.replace("┃", " ").replace("│", " ").split())
    for word in ("latents", "context", "targets", "bits", "byte", "documents", "FLOPs", "target"):
        assert word in words
    assert {"2,603,008", "8,000", "32,000"} <= words


def test_few_documents_and_what_is_cut_are_told(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = a_result(ci95=[0.0, 7.322105], documents=2, targets_per_second=32480.015552)
    report.print_one(result)
    text = " ".join(re.sub("[│┃]", " ", capsys.readouterr().out).split())
    assert "over 2 documents, cut at 0" in text
    assert "targets_per_second 32,500 " in text
    report.print_several([result, {**result, "step": 60, "documents": 3, "ci95": [1.0, 7.0]}])
    text = " ".join(re.sub("[│┃]", " ", capsys.readouterr().out).split())
    assert "ci95 over 2 to 3 documents" in text and "0 … 7.3221, cut at 0" in text
    assert "1 … 7 " in text


def test_a_part_of_a_split_is_named(capsys):
    report.print_several([a_result(batches=4, batches_of_split=1321)])
    assert "test, first 4 of 1,321 batches, 1,500 targets" in capsys.readouterr().out


def test_one_without_places(capsys):
    report.print_one(a_result(loss_by_position=None, ci95=None, documents=None))
    out = capsys.readouterr().out
    assert "loss_by_position" not in out and "loss_by_latent" in out
    assert "–" in out


def test_a_result_in_a_line():
    line = "step 30, latents 4, context 8, stride 4: bits_per_byte 2.5"
    assert report.line_of(a_result()) == line
