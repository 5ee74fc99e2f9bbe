"""Tokens that are prescribed at their places, whatever is drawn."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.generation import replay
from tests.keras_perceiver_ar.support import CONTEXT, VOCAB, compiled, random_ids, tiny_model

NEW = 10
LENGTHS = np.array([1, 3, 9, CONTEXT + 1 - NEW], "int32")
PROMPTS = {"token_ids": random_ids(0, 4, LENGTHS.max()), "lengths": LENGTHS}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def new_tokens(result):
    return np.take_along_axis(result["token_ids"], LENGTHS[:, None] + np.arange(NEW), 1)


def same(first, second):
    return all(np.array_equal(first[k], second[k], equal_nan=k == "log_probs") for k in first)


def test_the_model_draws_what_it_would_after_them(model):
    """And they are as likely as it finds them, through every refill."""
    forced = np.zeros((4, CONTEXT + 1), "int32")
    forced[:, ::3] = random_ids(1, 4, len(forced[0, ::3]))
    forced[1] = 0
    result = model.generate(PROMPTS, NEW, "greedy", stop_ids=(), forced=forced)
    steps, refills = zip(*(replay.seen(n, NEW, 4, 2) for n in LENGTHS.tolist()))
    assert max(refills) > 1
    run = compiled(model)
    logits = replay.uncached_logits(run, result["token_ids"], LENGTHS, steps)
    log_probs, places = replay.log_softmax(logits), np.arange(NEW)
    likeliest = np.where(np.arange(VOCAB) < 3, -np.inf, logits).argmax(-1)
    prescribed = np.take_along_axis(forced, LENGTHS[:, None] + places, 1)
    wanted = np.where(prescribed > 0, prescribed, likeliest)
    assert (wanted != likeliest).sum() > 4
    assert (new_tokens(result) == wanted).all()
    for row, length in enumerate(LENGTHS):
        assert (result["token_ids"][row, :length] == PROMPTS["token_ids"][row, :length]).all()
        np.testing.assert_allclose(
            result["log_probs"][row], log_probs[row, places, wanted[row]], rtol=0, atol=2e-5
        )


def test_a_row_is_forced_to_what_it_drew_or_to_anything_else(model):
    options = {"seed": 4, "sampler": "temperature", "stop_ids": (1,)}
    free = model.generate(PROMPTS, NEW, **options)
    assert same(model.generate(PROMPTS, NEW, **options, forced=free["token_ids"]), free)
    nothing = np.zeros((4, 2), "int32")
    assert same(model.generate(PROMPTS, NEW, **options, forced=nothing), free)
    other = np.zeros((4, 2 * CONTEXT), "int32")  # wider than any row gets
    other[0] = np.arange(2 * CONTEXT) % (VOCAB - 3) + 3
    tokens = new_tokens(model.generate(PROMPTS, NEW, **options, forced=other))
    assert tokens[0].tolist() == other[0, 1 : 1 + NEW].tolist()
    assert (tokens[1:] == new_tokens(free)[1:]).all()


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_forced_stop_id_ends_its_row(model, use_cache):
    forced = np.zeros((4, CONTEXT), "int32")
    forced[[0, 1, 2, 3], [4, 3, 2, 20]] = 1  # of the third row that is within its prompt
    options = {"stop_ids": (1,), "use_cache": use_cache, "sampler": "greedy"}
    result = model.generate(PROMPTS, NEW, **options, forced=forced)
    free = model.generate(PROMPTS, NEW, **options)
    assert free["lengths"].tolist() == (LENGTHS + NEW).tolist()
    assert result["lengths"].tolist() == [5, 4, 9 + NEW, 21]
    for row, length in enumerate(result["lengths"]):
        tokens = result["token_ids"][row]
        assert (tokens[length - 1] == 1) == (row != 2)
        assert (tokens[: length - 1] == free["token_ids"][row, : length - 1]).all()
        assert (tokens[length:] == 0).all()
        assert np.isfinite(result["log_probs"][row]).sum() == length - LENGTHS[row]


@dataclasses.dataclass(frozen=True)
class Nothing(kpar.generation.LogitMask):
    """Allows nothing at all."""

    def __call__(self, history):
        return keras.ops.zeros((history.lengths.shape[0], VOCAB), "bool")


def test_no_mask_forbids_them(model):
    """A row goes on where a token is prescribed, and ends where one would have to be drawn."""
    forced = np.zeros((4, CONTEXT + 1), "int32")
    forced[2, 9:13] = [7, 8, 9, 10]
    result = model.generate(PROMPTS, NEW, stop_ids=(), masks=Nothing(), forced=forced)
    assert result["lengths"].tolist() == (LENGTHS + np.array([0, 0, 4, 0])).tolist()
    assert result["token_ids"][2, 9:14].tolist() == [7, 8, 9, 10, 0]


def test_those_that_are_none_are_refused(model):
    for message, forced in (
        (r"`forced` must be .* 4 prompts. Received: shape \(2, 15\)", PROMPTS["token_ids"][:2]),
        ("`forced` must be .* dtype float64", PROMPTS["token_ids"] / 2),
        ("`forced` must lie in 0 … 19. Received: 20", PROMPTS["token_ids"] * 0 + 20),
        ("`forced` must lie in 0 … 19. Received: -1", PROMPTS["token_ids"] * 0 - 1),
    ):
        with pytest.raises(ValueError, match=message):
            model.generate(PROMPTS, NEW, forced=forced)
