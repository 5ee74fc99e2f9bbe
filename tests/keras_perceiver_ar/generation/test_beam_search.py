"""A search of full width finds the likeliest of all continuations; a narrow one, what it should."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_perceiver_ar.generation import BeamSearch, LogitMask
from tests.keras_perceiver_ar.support import VOCAB, compiled, random_ids, tiny_model

LENGTHS = np.array([1, 6, 3], "int32")
PROMPTS = {"token_ids": random_ids(0, 3, 6), "lengths": LENGTHS}
LETTERS, NEW = (1, 5, 6, 7), 3  # EOS and three others


@dataclasses.dataclass(frozen=True)
class Letters(LogitMask):
    def __call__(self, history):
        return keras.ops.convert_to_tensor(np.isin(np.arange(VOCAB), LETTERS))[None]


@pytest.fixture(scope="module")
def model():
    """EOS is likely, so that some of the best continuations end early."""
    model = tiny_model(num_layers=1)
    bias = keras.ops.convert_to_numpy(model.logits.bias).copy()
    bias[1] += 1.0
    model.logits.bias.assign(bias)
    return model


def step_log_probs(run, prompt, new):
    """Log-probabilities (V,) of what follows a prompt and the new tokens so far."""
    ids = np.zeros((1, 12), "int32")
    whole = [*prompt, *new]
    ids[0, : len(whole)] = whole
    logits = run({"token_ids": ids, "lengths": np.array([len(whole)])}, num_latents=9)[
        0, -1
    ].astype("float64")
    return logits - np.log(np.exp(logits).sum())


@pytest.fixture(scope="module")
def everything(model):
    """Of each prompt, all continuations with their sums: {tokens: log-probability}."""
    run, found = compiled(model), []
    for row, length in enumerate(LENGTHS):
        prompt = PROMPTS["token_ids"][row, :length].tolist()
        sums = {(): 0.0}
        for _ in range(NEW):
            grown = {}
            for tokens, total in sums.items():
                if tokens and tokens[-1] == 1:
                    grown[tokens] = total
                    continue
                log_probs = step_log_probs(run, prompt, tokens)
                grown |= {(*tokens, token): total + log_probs[token] for token in LETTERS}
            sums = grown
        found.append(sums)
    return found


def best(result):
    tokens, sums = [], []
    for row, length in enumerate(LENGTHS):
        tokens.append(tuple(result["token_ids"][row, length : result["lengths"][row]].tolist()))
        sums.append(np.nansum(result["log_probs"][row]))
    return tokens, sums


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_full_width_finds_the_likeliest_of_all(model, everything, length_penalty):
    beams = BeamSearch(len(LETTERS) ** NEW, length_penalty)
    tokens, sums = best(model.generate(PROMPTS, NEW, beams, masks=Letters(), num_latents=9))
    for row, of_row in enumerate(everything):
        wanted = max(of_row, key=lambda key: of_row[key] / len(key) ** length_penalty)
        assert tokens[row] == wanted
        assert sums[row] == pytest.approx(of_row[wanted], abs=1e-4)
    if length_penalty == 0.0:
        assert min(map(len, tokens)) < NEW  # or the case of an early end was none


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_search_keeps_the_best_of_each_step(model, width):
    run = compiled(model)
    tokens, sums = best(
        model.generate(PROMPTS, NEW, BeamSearch(width), masks=Letters(), num_latents=9)
    )
    for row, length in enumerate(LENGTHS):
        prompt = PROMPTS["token_ids"][row, :length].tolist()
        kept = {(): 0.0}
        for _ in range(NEW):
            grown = {}
            for key, total in kept.items():
                if key and key[-1] == 1:
                    grown[key] = total
                    continue
                log_probs = step_log_probs(run, prompt, key)
                grown |= {(*key, token): total + log_probs[token] for token in LETTERS}
            kept = dict(sorted(grown.items(), key=lambda item: -item[1])[:width])
        wanted = max(kept, key=kept.get)
        assert tokens[row] == wanted
        assert sums[row] == pytest.approx(kept[wanted], abs=1e-4)


def test_width_one_is_greedy_through_refills(model):
    plain = model.generate(PROMPTS, 12, "greedy", stop_ids=())
    found = model.generate(PROMPTS, 12, BeamSearch(1), stop_ids=())
    assert (found["token_ids"] == plain["token_ids"]).all()
    np.testing.assert_allclose(found["log_probs"], plain["log_probs"], atol=2e-5)


def test_caches_move_with_their_beams(model):
    """Cached and uncached searches agree where a cache never refills."""
    options = {"stop_ids": (), "num_latents": 18}
    cached = model.generate(PROMPTS, 12, BeamSearch(3), **options)
    uncached = model.generate(PROMPTS, 12, BeamSearch(3), use_cache=False, **options)
    assert (cached["token_ids"] == uncached["token_ids"]).all()
    np.testing.assert_allclose(cached["log_probs"], uncached["log_probs"], atol=2e-5)
    greedy = model.generate(PROMPTS, 12, "greedy", **options)
    sums = [np.nansum(result["log_probs"], axis=1) for result in (cached, greedy)]
    assert (sums[0] >= sums[1] - 1e-4).all() and (sums[0] > sums[1] + 1e-3).any()


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("`width` must be an integer ≥ 1. Received: width=0", {"width": 0}),
        ("`length_penalty` must be a number .*nan", {"length_penalty": float("nan")}),
        ("`length_penalty` must be a number .*'long'", {"length_penalty": "long"}),
    ],
)
def test_refusals(message, arguments):
    with pytest.raises(ValueError, match=message):
        BeamSearch(**arguments)


def test_every_step_of_all_beams_is_told(model):
    """Three of each row, side by side; and it changes nothing."""

    def on_step(lengths, drawn):
        told.append((tuple(lengths.shape), tuple(drawn.shape)))
        return lengths

    told = []
    watched = model.generate(PROMPTS, NEW, BeamSearch(3), masks=Letters(), on_step=on_step)
    plain = model.generate(PROMPTS, NEW, BeamSearch(3), masks=Letters())
    assert told and set(told) == {((9,), (9,))}
    for name in plain:
        np.testing.assert_array_equal(watched[name], plain[name])


@pytest.mark.parametrize("name, value", [("slide", 3), ("forced", np.ones((3, 2), int))])
def test_what_cannot_be_had_with_it(model, name, value):
    with pytest.raises(ValueError, match=f"`{name}` cannot be had with a BeamSearch"):
        model.generate(PROMPTS, 2, "beam", **{name: value})
