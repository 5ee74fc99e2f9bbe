import itertools

import pytest

from pipelines.experiment.reports import latents, latents_books
from tests.pipelines.experiment.reports import tables


def rows(costs, documents=6):
    """A table of numbers of latents that cost so many bits per byte."""
    return [
        row
        for number, cost in costs.items()
        for row in tables.documents(
            [cost - 0.1, cost + 0.1] * (documents // 2) + [cost] * (documents % 2),
            latents=number,
            trained_latents=64,
            context=512,
            steps=1500,
            params=480_131,
            flops_per_target=1e6 * (1 + 512 / number),
            device="cpu",
        )
    ]


def test_the_paragraph_has_the_figures_of_the_table():
    told = latents.tell(rows({8: 2.9, 64: 2.7, 512: 2.6}))
    assert "On test 512 latents are best (2.600 bits per byte)" in told
    assert "the 64 of training take 2.700, 8 take 2.900, 512 2.600" in told
    assert "do not help" not in told
    assert "| 8 | 65.00 | 2.900 (" in told
    assert told.split("\n")[0].endswith("Intervals are over 6 documents of test.")


def test_it_says_where_more_latents_do_not_help():
    told = latents.tell(rows({8: 2.9, 64: 2.7, 512: 2.8}))
    assert "64 latents are best" in told
    assert "**more latents than in training do not help at this size**" in told


@pytest.mark.parametrize(
    ("documents", "said"), [(1, "1 document of test"), (4, "4 documents of test")]
)
def test_few_documents_have_no_interval(tmp_path, documents, said):
    told = latents.tell(rows({8: 2.9, 64: 2.7}, documents))
    assert "| 8 | 65.00 | 2.900 |" in told
    text = tables.text_of(latents, rows({8: 2.9, 64: 2.7}, documents), tmp_path)
    assert said in text
    assert "nterval" not in text and "nterval" not in told


def test_the_picture_names_what_it_shows(tmp_path):
    text = tables.text_of(latents_books, rows({8: 2.9, 64: 2.7, 512: 2.6}), tmp_path)
    for wanted in (
        "Trained with 64 latents over 512 inputs",
        "latents when measured",
        "bits per byte",
        "MFLOPs for each target",
        "as in training",
        "0.480 M parameters, 1,500 steps, cpu; 6 documents of test",
        "6 documents of test, 95 % interval",
    ):
        assert wanted in text


def test_labels_of_costs_do_not_overlap(monkeypatch):
    costs = dict.fromkeys((8, 16, 32, 64, 128, 256, 512), 2.9)
    figure = tables.figure_of(latents_books, rows(costs), monkeypatch)
    boxes = [label.get_window_extent() for label in figure.axes[1].get_xticklabels()]
    assert len(boxes) > 3
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0
