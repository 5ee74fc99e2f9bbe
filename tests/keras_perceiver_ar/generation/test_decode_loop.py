"""What is cached equals what is computed afresh, at every step of every row."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation.cached_steps import prefill_size, refill_size
from tests.keras_perceiver_ar.generation import replay
from tests.keras_perceiver_ar.support import CONTEXT, compiled, random_ids, tiny_model

NEW = 10
# The last row grows until its last token follows a full context.
LENGTHS = np.array([1, 3, 9, CONTEXT + 1 - NEW], "int32")


@pytest.fixture(scope="module", params=["rotary", "absolute"])
def model(request):
    return tiny_model(request.param)


@pytest.fixture(scope="module")
def run(model):
    return compiled(model)


@pytest.fixture(scope="module")
def prompts():
    return {"token_ids": random_ids(0, 4, LENGTHS.max()), "lengths": LENGTHS}


def replayed(run, ids, num_latents, kept):
    """Log-probabilities (B, NEW, V) of uncached calls, and the refills of each row."""
    steps, refills = zip(*(replay.seen(n, NEW, num_latents, kept) for n in LENGTHS.tolist()))
    return replay.log_softmax(replay.uncached_logits(run, ids, LENGTHS, steps)), refills


@pytest.mark.parametrize(
    "num_latents, refill, kept, refills",
    [
        (None, "half", 2, 3),
        pytest.param(4, 3, 3, 5, marks=pytest.mark.slow),
        pytest.param(4, 1, 1, 2, marks=pytest.mark.slow),
        (4, 4, 4, 9),
        pytest.param(3, "half", 1, 3, marks=pytest.mark.slow),
        (1, "half", 1, 9),
        pytest.param(7, "half", 3, 2, marks=pytest.mark.slow),
    ],
)
def test_cached_equals_uncached(model, run, prompts, num_latents, refill, kept, refills):
    result = model.generate(
        prompts, NEW, sampler="greedy", num_latents=num_latents, refill=refill, stop_ids=()
    )
    log_probs, times = replayed(run, result["token_ids"], num_latents or 4, kept)
    assert max(times) >= refills >= 2
    for row, length in enumerate(LENGTHS):
        tokens = result["token_ids"][row, length : length + NEW]
        likeliest = log_probs[row].copy()
        likeliest[:, :3] = -np.inf
        assert tokens.tolist() == likeliest.argmax(-1).tolist()
        np.testing.assert_allclose(
            result["log_probs"][row], log_probs[row, np.arange(NEW), tokens], rtol=0, atol=2e-5
        )


@pytest.mark.slow
def test_more_latents_than_room_never_refill(model, run, prompts):
    result = model.generate(prompts, NEW, sampler="greedy", num_latents=CONTEXT, stop_ids=())
    again = model.generate(
        prompts, NEW, sampler="greedy", num_latents=CONTEXT, stop_ids=(), refill=1
    )
    assert (again["token_ids"] == result["token_ids"]).all()
    # All latents at once predict what the steps predicted one by one.
    ids = result["token_ids"]
    inputs = {"token_ids": ids[:, :CONTEXT], "lengths": LENGTHS + NEW - 1}
    logits = run(inputs, num_latents=CONTEXT).astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for row, length in enumerate(LENGTHS):
        tokens = ids[row, length : length + NEW]
        wanted = log_probs[row, CONTEXT - NEW :][np.arange(NEW), tokens]
        np.testing.assert_allclose(result["log_probs"][row], wanted, rtol=0, atol=2e-5)


def test_sampled_log_probs_are_those_of_the_model(model, run, prompts):
    """Before temperature and cut, and over the whole vocabulary."""
    result = model.generate(
        prompts, NEW, sampler=kpar.generation.Sampler(2.0, 0.9), seed=3, stop_ids=()
    )
    log_probs, _ = replayed(run, result["token_ids"], 4, 2)
    for row, length in enumerate(LENGTHS):
        tokens = result["token_ids"][row, length : length + NEW]
        wanted = log_probs[row, np.arange(NEW), tokens]
        np.testing.assert_allclose(result["log_probs"][row], wanted, rtol=0, atol=2e-5)


def test_bfloat16_runs(prompts):
    model = tiny_model(dtype="mixed_bfloat16")
    result = model.generate(prompts, NEW, sampler="greedy", stop_ids=())
    assert np.isfinite(result["log_probs"]).all()


def test_latents_held_after_a_refill():
    assert [refill_size("half", count) for count in (1, 2, 3, 8)] == [1, 1, 1, 4]
    assert [refill_size(count, 8) for count in (1, 7, 8)] == [1, 7, 8]
    assert [prefill_size(count, 8) for count in ("all", 1, 8)] == [8, 1, 8]


@pytest.mark.parametrize("refill", [0, 9, -1, "all", 2.0, None])
def test_refusals_of_refill(model, prompts, refill):
    with pytest.raises(ValueError, match=f"from 1 to 8, .* Received: refill={refill!r}"):
        refill_size(refill, 8)
    with pytest.raises(ValueError, match="`refill` must be"):
        model.generate(prompts, NEW, refill=refill, num_latents=8)
