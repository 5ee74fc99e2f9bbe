"""Cuts against plain NumPy, one row after the other, as Hugging Face's warpers say them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.generation import cuts
from keras_perceiver_ar.generation.sampler import OFF
from tests.keras_perceiver_ar.support import jitted, to_numpy

VOCAB = 11
compiled = {name: jitted(cut) for name, cut in cuts.CUTS.items()}
compiled_all_cuts = jitted(cuts.inside_all)


def distribution(seed, rows=3, spread=2.0):
    logits = np.random.default_rng(seed).normal(size=(rows, VOCAB)) * spread
    weights = np.exp(logits)
    return (weights / weights.sum(-1, keepdims=True)).astype("float32")


def plain(name, row, number):
    """Ids that stay, of one row without equal probabilities."""
    order = np.argsort(-row, kind="stable")
    row = row.astype("float64")
    if name == "top_k":
        return set(order[: int(number) or VOCAB].tolist())
    if name == "min_p":
        return {i for i in range(VOCAB) if row[i] >= number * row.max()}
    if name == "typical_p":
        there = row > 0
        surprise = -np.log(np.where(there, row, 1.0))
        distance = np.where(there, np.abs(surprise - (row * surprise).sum()), np.inf)
        order = np.argsort(distance, kind="stable")
    before = np.cumsum(row[order]) - row[order]
    return {int(i) for i, held in zip(order, before) if held < number and row[i] > 0}


NUMBERS = {
    "top_k": [0, 1, 4, VOCAB, VOCAB + 5],
    "top_p": [0.11, 0.52, 0.93],
    "min_p": [0.0, 0.21, 1.0],
    "typical_p": [0.17, 0.58, 0.91],
}


@pytest.mark.parametrize("name", cuts.CUTS)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_cut_is_that_of_plain_numpy(name, seed, data):
    probabilities = distribution(seed)
    numbers = data.draw(st.lists(st.sampled_from(NUMBERS[name]), min_size=3, max_size=3))
    array = np.array(numbers, "int32" if name == "top_k" else "float32")
    kept = to_numpy(compiled[name](probabilities, array))
    for row, number in enumerate(numbers):
        assert set(np.flatnonzero(kept[row])) == plain(name, probabilities[row], number)


@pytest.mark.parametrize("name", cuts.CUTS)
def test_the_likeliest_or_most_typical_token_always_stays(name):
    smallest = np.array(
        [1] if name == "top_k" else [1e-6], "int32" if name == "top_k" else "float32"
    )
    if name == "min_p":
        smallest[:] = 1.0
    for probabilities in (distribution(0, 1), np.eye(VOCAB, dtype="float32")[:1]):
        kept = to_numpy(compiled[name](probabilities, smallest))
        assert kept.sum() >= 1 and probabilities[kept].min() > 0


def test_equals_of_the_last_of_the_likeliest_stay():
    probabilities = np.array([[0.4, 0.2, 0.2, 0.1, 0.1]], "float32")
    assert to_numpy(cuts.top_k(probabilities, np.array([2], "int32"))).tolist() == [
        [True, True, True, False, False]
    ]


def test_typical_leaves_the_likeliest_out_where_it_is_no_surprise():
    # The expected surprise is 1.30. That of 0.5 is 0.69, of 0.25 it is 1.39, of 0.1 it is 2.30.
    probabilities = np.array([[0.5, 0.25, 0.05, 0.1, 0.1]], "float32")
    kept = to_numpy(cuts.typical_p(probabilities, np.array([0.2], "float32")))
    assert kept.tolist() == [[False, True, False, False, False]]


def test_typical_of_everything_is_everything():
    probabilities = np.array([[0.5, 0.5, 0.0]], "float32")
    assert to_numpy(cuts.typical_p(probabilities, np.ones(1, "float32"))).all()


@given(seed=st.integers(0, 10**6))
def test_each_cut_sees_what_the_ones_before_left(seed):
    """top-k 6, then of the six renormalised top-p 0.71, then of those min-p 0.3."""
    probabilities = distribution(seed, rows=1, spread=1.0)
    settings = {"min_p": [0.3], "top_p": [0.71], "top_k": [6], "temperature": [9.0]}
    settings = {
        name: np.array(value, "int32" if name == "top_k" else "float32")
        for name, value in settings.items()
    }
    kept = set(np.flatnonzero(to_numpy(compiled_all_cuts(probabilities, settings))[0]))
    left, wanted = probabilities[0].astype("float64"), set(range(VOCAB))
    for name in ("top_k", "top_p", "min_p"):
        wanted &= plain(name, left.astype("float32"), float(settings[name][0]))
        left = np.where([i in wanted for i in range(VOCAB)], left, 0.0)
        left /= left.sum()
    assert kept == wanted


def test_no_cut_is_none():
    assert cuts.inside_all(distribution(0), {"temperature": np.ones(3, "float32")}) is None


@pytest.mark.parametrize("acting", [("top_p",), ("top_k", "typical_p"), ("top_p", "min_p")])
def test_a_cut_that_is_off_in_a_row_is_as_none(acting):
    """To the last bit, where a rounding decides: at the edges of what is kept."""
    probabilities = distribution(0, rows=500, spread=1.0)
    ascending = np.cumsum(np.sort(probabilities, axis=-1), axis=-1, dtype="float32")
    settings = {
        "top_k": np.full(500, 7, "int32"),
        "top_p": 1 - ascending[:, 4],
        "min_p": np.sort(probabilities)[:, 5] / probabilities.max(-1),
        "typical_p": ascending[:, 6],
    }
    off = {name: np.full(500, OFF[name], value.dtype) for name, value in settings.items()}
    settings = {name: settings[name] for name in acting}
    wanted = to_numpy(compiled_all_cuts(probabilities, settings))
    np.testing.assert_array_equal(compiled_all_cuts(probabilities, off | settings), wanted)
    assert 0 < wanted.mean() < 1
