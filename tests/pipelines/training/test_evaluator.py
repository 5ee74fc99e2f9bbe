"""What becomes of the sums over a split, or over a part of it."""

import math
import types

import pytest

from pipelines.training.evaluator import left_out, metrics

SUMS = {"loss": 60.0, "correct": 3.0, "labels": 12.0, "data": 10.0}


def task(*names, is_text=True, **units):
    return types.SimpleNamespace(
        evaluation_metrics=names, is_text=is_text, units=lambda split: units
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


def test_a_part_of_pieces_has_neither():
    pieces = task("word_perplexity", "bits_per_byte", is_text=False, bytes=20, words=4)
    assert metrics(SUMS, pieces, "test", is_part=True) == {"loss": 5.0, "targets": 12}
    assert left_out(pieces) == ["word_perplexity", "bits_per_byte"]


@pytest.mark.parametrize("is_part", [False, True])
def test_what_counts_targets_is_of_any_part(is_part):
    images = task("bits_per_dim", "accuracy", is_text=False)
    found = metrics(SUMS, images, "test", is_part)
    assert found["bits_per_dim"] == pytest.approx(5 / math.log(2))
    assert found["accuracy"] == 0.25 and left_out(images) == []


def test_text_with_hardly_a_space():
    text = task("word_perplexity", "bits_per_byte", bytes=20, words=1)
    assert metrics({**SUMS, "loss": 800.0}, text, "test")["word_perplexity"] == math.inf
    empty = task("word_perplexity", "bits_per_byte", bytes=20, words=0)
    assert "word_perplexity" not in metrics(SUMS, empty, "test")
