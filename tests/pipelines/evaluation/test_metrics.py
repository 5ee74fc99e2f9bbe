"""What becomes of the sums over a split, or over a part of it."""

import math
import types

import numpy as np
import pytest

from pipelines.evaluation.interval import ratio_interval
from pipelines.evaluation.metrics import cut_at, interval, left_out, metrics

SUMS = {"loss": 60.0, "correct": 3.0, "labels": 12.0, "data": 10.0}
# Of three documents, the last of which a part of the split does not reach.
LOSS, CORRECT, LABELS, DATA = (20.0, 40.0, 0.0), (2.0, 1.0, 0.0), (5.0, 7.0, 0.0), (4.0, 6.0, 0.0)
OF_DOCUMENTS = {
    f"document_{name}": np.array(values)
    for name, values in zip(("loss", "correct", "labels", "data"), (LOSS, CORRECT, LABELS, DATA))
}


def task(*names, is_text=True, documents=None, **units):
    return types.SimpleNamespace(
        evaluation_metrics=names,
        is_text=is_text,
        units=lambda split: units,
        document_units=lambda split: {n: np.array(v) for n, v in documents.items()},
    )


def test_a_whole_split_by_its_bytes_and_words():
    text = task("bits_per_byte", "word_perplexity", bytes=20, words=4)
    assert metrics(SUMS, text, "test") == {
        "bits_per_byte": pytest.approx(3 / math.log(2)),
        "word_perplexity": pytest.approx(math.exp(15)),
        "loss": 5.0,
        "targets": 12,
    }


def test_a_part_of_bytes_by_the_bytes_that_were_scored():
    text = task("bits_per_byte", "word_perplexity", bytes=20, words=4)
    assert metrics(SUMS, text, "test", is_part=True) == {
        "bits_per_byte": pytest.approx(6 / math.log(2)),
        "loss": 5.0,
        "targets": 12,
    }
    assert left_out(text) == ["word_perplexity"]


def test_a_part_of_pieces_has_neither_but_bits_of_tokens():
    names = ("word_perplexity", "bits_per_byte", "bits_per_token")
    pieces = task(*names, is_text=False, bytes=20, words=4)
    found = metrics(SUMS, pieces, "test", is_part=True)
    assert found == {"bits_per_token": pytest.approx(5 / math.log(2)), "loss": 5.0, "targets": 12}
    assert left_out(pieces) == ["word_perplexity", "bits_per_byte"]
    assert interval({**SUMS, **OF_DOCUMENTS}, pieces, "test", True)["ci95_of"] == "bits_per_token"


@pytest.mark.parametrize("is_part", [False, True])
def test_what_counts_targets_is_of_any_part(is_part):
    images = task("bits_per_dim", "accuracy", "nll_per_event", is_text=False)
    found = metrics(SUMS, images, "test", is_part)
    assert found["bits_per_dim"] == pytest.approx(5 / math.log(2))
    assert found["accuracy"] == 0.25 and found["nll_per_event"] == 5.0
    assert left_out(images) == []


def test_text_with_hardly_a_space():
    text = task("word_perplexity", "bits_per_byte", bytes=20, words=1)
    assert metrics({**SUMS, "loss": 800.0}, text, "test")["word_perplexity"] == math.inf
    empty = task("word_perplexity", "bits_per_byte", bytes=20, words=0)
    assert "word_perplexity" not in metrics(SUMS, empty, "test")


@pytest.mark.parametrize(
    ("name", "unit", "finish"),
    [
        ("bits_per_byte", "bytes", lambda nats: nats / math.log(2)),
        ("word_perplexity", "words", math.exp),
    ],
)
def test_the_interval_of_text_is_that_of_its_units(name, unit, finish):
    each = {"bytes": [4, 6, 10], "words": [3, 3, 5]}
    loss = [20.0, 40.0, 50.0]
    sums = {**SUMS, **OF_DOCUMENTS, "document_loss": np.array(loss)}
    sums["document_labels"] = np.array([5.0, 7.0, 11.0])
    text = task(name, documents=each, **{unit: sum(each[unit])})
    found = interval(sums, text, "test")
    low, high = ratio_interval(loss, each[unit])
    assert found == {
        "ci95": [pytest.approx(finish(max(low, 0))), pytest.approx(finish(high))],
        "ci95_of": name,
        "documents": 3,
    }


def test_the_interval_of_a_part_is_of_the_documents_that_were_reached():
    sums = {**SUMS, **OF_DOCUMENTS}
    found = interval(sums, task("bits_per_byte"), "test", is_part=True)
    low, high = (end / math.log(2) for end in ratio_interval(LOSS[:2], DATA[:2]))
    assert found["documents"] == 2
    assert found["ci95"] == [pytest.approx(max(low, 0.0)), pytest.approx(high)]


def test_an_accuracy_is_never_more_than_1():
    found = interval({**SUMS, **OF_DOCUMENTS}, task("accuracy", is_text=False), "test", True)
    assert found["ci95"] == [0.0, 1.0]


def test_without_documents_there_is_no_interval():
    mine = task("accuracy", is_text=False)
    assert interval(SUMS, mine, "test") == {"ci95": None, "ci95_of": "accuracy", "documents": None}
    one = {name: values[:1] for name, values in OF_DOCUMENTS.items()}
    assert interval({**SUMS, **one}, mine, "test", True) == {
        "ci95": None,
        "ci95_of": "accuracy",
        "documents": 1,
    }


@pytest.mark.parametrize(
    ("name", "ends", "bounds"),
    [
        ("bits_per_byte", (0.0, 7.3), [0.0]),
        ("bits_per_byte", (1.0, 7.3), []),
        ("word_perplexity", (1.0, 7.3), [1.0]),
        ("word_perplexity", (2.0, math.inf), []),
        ("accuracy", (0.0, 1.0), [0.0, 1.0]),
        ("accuracy", (1.0, 1.0), []),  # all documents agree
    ],
)
def test_where_an_interval_is_cut(name, ends, bounds):
    assert cut_at(name, ends) == bounds
