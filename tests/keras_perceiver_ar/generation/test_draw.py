import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.generation.cuts import nucleus_threshold
from keras_perceiver_ar.generation.draw import forbid, penalize, sample
from tests.keras_perceiver_ar.support import GOLDEN, jitted, to_numpy

VOCAB, ROWS = 9, 4
LOGITS = (np.random.default_rng(0).normal(size=(ROWS, VOCAB)) * 2).astype("float32")
compiled_sample = jitted(sample)
compiled_early = jitted(lambda *args: sample(*args, cut_before_temperature=True))


def full(value, rows, dtype="float32"):
    return np.full(rows, value, dtype)


def draw(logits, temperature=1.0, top_p=1.0, seed=0, early=False):
    """One token a row."""
    rows = len(logits)
    return to_numpy(
        (compiled_early if early else compiled_sample)(
            logits,
            {"temperature": full(temperature, rows), "top_p": full(top_p, rows)},
            full(seed, rows, "int32"),
            np.arange(rows, dtype="int32"),
        )
    )


def softmax(logits):
    weights = np.exp(logits.astype("float64") - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def nucleus(probabilities, top_p):
    """The ids of the smallest set of likeliest tokens that holds top_p, one row."""
    order = np.argsort(-probabilities, kind="stable")
    before = np.cumsum(probabilities[order]) - probabilities[order]
    return set(order[before < top_p - 1e-6].tolist()) or {int(order[0])}


@pytest.mark.parametrize("temperature, top_p", [(1.0, 1.0), (0.5, 1.0), (2.0, 0.8)])
@pytest.mark.parametrize("early", [False, True])
def test_shares_of_20000_draws(temperature, top_p, early):
    logits = LOGITS[0]
    probabilities = softmax(logits / temperature)
    inside = nucleus(softmax(logits) if early else probabilities, top_p)
    probabilities[[token for token in range(VOCAB) if token not in inside]] = 0
    probabilities /= probabilities.sum()
    tokens = draw(np.tile(logits, (20_000, 1)), temperature, top_p, seed=11, early=early)
    counts, wanted = np.bincount(tokens, minlength=VOCAB), 20_000 * probabilities
    assert (counts[wanted == 0] == 0).all()
    likely = wanted > 0
    # χ² with at most 8 degrees of freedom: 26.1 is passed once in a thousand times.
    assert ((counts - wanted)[likely] ** 2 / wanted[likely]).sum() < 26.1


@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 0.7, 0.9]), st.sampled_from([0.5, 1, 3]))
def test_tokens_are_always_inside_the_nucleus(seed, top_p, temperature):
    logits = (np.random.default_rng(seed).normal(size=(ROWS, VOCAB)) * 3).astype("float32")
    for early in (False, True):
        measured = softmax(logits if early else logits / np.float32(temperature))
        tokens = draw(logits, temperature, top_p, seed, early)
        for row, token in enumerate(tokens):
            assert token in nucleus(measured[row], top_p)


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 1.0])
def test_the_threshold_is_the_least_likely_token_of_the_nucleus(top_p):
    probabilities = softmax(LOGITS).astype("float32")
    threshold = to_numpy(nucleus_threshold(probabilities, full(top_p, ROWS)))
    for row in range(ROWS):
        inside = nucleus(probabilities[row].astype("float64"), top_p)
        assert set(np.flatnonzero(probabilities[row] >= threshold[row])) == inside


@pytest.mark.parametrize("top_p, temperature", [("0.9", "0.7"), ("0.5", "1.0"), ("0.1", "2.0")])
def test_the_cut_of_the_original_comes_before_the_temperature(top_p, temperature):
    golden = np.load(GOLDEN / "sampling.npz")
    processed = golden[f"processed_p{top_p}_t{temperature}"]
    plain = softmax(golden["logits"]).astype("float32")
    threshold = to_numpy(nucleus_threshold(plain, full(float(top_p), len(plain))))
    kept = processed > -1e20
    assert ((plain >= threshold) == kept).all()
    for seed in range(5):
        tokens = draw(golden["logits"], float(temperature), float(top_p), seed, early=True)
        assert kept[np.arange(len(tokens)), tokens].all()


def test_the_cut_moves_with_the_temperature_unless_it_comes_before():
    logits = np.tile(np.log(np.array([0.6, 0.3, 0.1], "float32")), (500, 1))
    # Hot, the likeliest token holds less than half: two are in the nucleus of 0.55.
    assert set(draw(logits, 5.0, 0.55).tolist()) == {0, 1}
    assert set(draw(logits, 5.0, 0.55, early=True).tolist()) == {0}


@pytest.mark.parametrize("temperature, top_p", [(0.0, 1.0), (1.0, 0.0), (1e-6, 1.0), (1.0, 1e-6)])
def test_the_corners_are_greedy(temperature, top_p):
    for seed in range(5):
        assert (draw(LOGITS, temperature, top_p, seed) == LOGITS.argmax(-1)).all()


@given(st.integers(0, 10**6), st.sets(st.integers(0, VOCAB - 1), max_size=VOCAB - 1))
def test_forbidden_tokens_are_never_drawn(seed, forbidden):
    logits = LOGITS.copy()
    logits[:, sorted(forbidden)] += 50  # however likely they are
    logits = to_numpy(forbid(logits, sorted(forbidden)))
    for temperature, top_p in ((1.0, 1.0), (9.0, 1.0), (1.0, 0.9), (0.0, 1.0)):
        assert not forbidden & set(draw(logits, temperature, top_p, seed).tolist())


def test_forbid_leaves_the_others_alone():
    logits = to_numpy(forbid(LOGITS, [0, 3]))
    assert (logits[:, [0, 3]] < -1e29).all()
    assert (logits[:, [1, 2, 4, 5, 6, 7, 8]] == LOGITS[:, [1, 2, 4, 5, 6, 7, 8]]).all()
    assert (to_numpy(forbid(LOGITS, [])) == LOGITS).all()


def test_each_row_has_its_own_temperature_seed_and_counter():
    rows = 200
    logits, ones = np.tile(LOGITS[0], (rows, 1)), full(1, rows)
    seeds, counters = full(5, rows, "int32"), np.arange(rows, dtype="int32")

    def settings(temperature):
        return {"temperature": temperature, "top_p": ones}

    temperature = np.where(np.arange(rows) < 100, 0, 1).astype("float32")
    mixed = to_numpy(compiled_sample(logits, settings(temperature), seeds, counters))
    warm = to_numpy(compiled_sample(logits, settings(ones), seeds, counters))
    assert (mixed[:100] == LOGITS[0].argmax()).all()
    assert (mixed[100:] == warm[100:]).all()
    assert len(set(warm.tolist())) > 3
    backwards = to_numpy(compiled_sample(logits, settings(ones), seeds, counters[::-1].copy()))
    assert (backwards == warm[::-1]).all()
    other = to_numpy(compiled_sample(logits, settings(ones), seeds + 1, counters))
    assert (other != warm).any()


def test_a_penalty_makes_what_was_seen_less_likely():
    logits = np.array([[2.0, -2.0, 3.0, -3.0]] * 3, "float32")
    seen = np.array([[True, True, False, False]] * 3)
    found = to_numpy(penalize(logits, seen, np.array([2.0, 1.0, 0.5], "float32")))
    wanted = [[1.0, -4.0, 3.0, -3.0], [2.0, -2.0, 3.0, -3.0], [4.0, -1.0, 3.0, -3.0]]
    assert found.tolist() == wanted


def test_what_is_forbidden_stays_so_under_a_penalty():
    logits = to_numpy(forbid(LOGITS, [2]))
    penalty = full(0.5, ROWS)
    found = to_numpy(penalize(logits, np.ones(LOGITS.shape, bool), penalty))
    assert (found[:, 2] == -np.inf).all()
