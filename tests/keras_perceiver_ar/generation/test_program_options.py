"""`generate` with its options: empty prompts, samplers, masks, and how many programs it makes."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.generation.test_program import LENGTHS, NEW, PROMPTS, new_tokens, same
from tests.keras_perceiver_ar.support import VOCAB, tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_layers=1)


def compilations(model, lengths, new):
    """How often `generate` traced its loop for prompts of these lengths."""
    traces = []

    def on_step(lengths, drawn):
        traces.append(1)  # runs while the loop is traced, never in it
        return lengths

    for length in lengths:
        model.generate(np.full((2, length), 5), new, on_step=on_step)
    return len(traces)


@pytest.mark.slow
def test_two_hundred_lengths_of_prompts_are_at_most_eight_programs():
    sizes = {"max_context": 1024, "num_layers": 1, "width": 4, "num_heads": 1, "input_width": 4}
    model = tiny_model(**sizes, mlp_factor=1)
    # A traced program has two bodies that draw: the first token's and the loop's.
    assert 2 <= compilations(model, range(1, 1001, 5), 3) <= 2 * 8


def test_a_program_is_kept_for_lengths_of_the_same_room(model):
    first = compilations(model, [1], 2)
    assert compilations(model, [3, 4, 5, 6], 2) == first
    assert compilations(model, [2, 9], 2) == first


def test_a_row_of_nothing_begins_with_sos(model):
    begun = model.generate(np.full((2, 1), 2), NEW, seed=4, stop_ids=())
    for inputs in (
        np.zeros((2, 0), "int32"),
        np.zeros((2, 1), "int32"),
        {"token_ids": np.full((2, 1), 7), "lengths": [0, 0]},
    ):
        assert same(model.generate(inputs, NEW, seed=4, stop_ids=()), begun)
    assert begun["token_ids"].shape == (2, 1 + NEW)
    # In a batch with others, cached or not.
    ragged = {"token_ids": PROMPTS["token_ids"], "lengths": [0, 5, 3]}
    for use_cache in (True, False):
        options = {"sampler": "greedy", "stop_ids": (), "use_cache": use_cache}
        result = model.generate(ragged, NEW, **options)
        alone = model.generate(np.full((1, 1), 2), NEW, **options)
        assert result["lengths"].tolist() == [1 + NEW, 5 + NEW, 3 + NEW]
        assert (result["token_ids"][0, : 1 + NEW] == alone["token_ids"][0]).all()
        np.testing.assert_allclose(result["log_probs"][0], alone["log_probs"][0], atol=2e-5)


def test_prompts_may_be_a_list_of_rows_of_any_length(model):
    rows = [row[:n].tolist() for row, n in zip(PROMPTS["token_ids"], LENGTHS, strict=True)]
    wanted = model.generate(PROMPTS, NEW)
    for prompts in (rows, {"token_ids": tuple(map(np.array, rows))}, {"token_ids": Ragged(rows)}):
        found = model.generate(prompts, NEW)
        assert all((found[name] == wanted[name]).all() for name in ("token_ids", "lengths"))
    begun = model.generate([[], [3, 4]], NEW)
    assert begun["token_ids"][0, 0] == 2 and begun["token_ids"][1, :2].tolist() == [3, 4]


@dataclasses.dataclass
class Ragged:
    """What a `tf.RaggedTensor` says of itself."""

    rows: list

    def to_list(self):
        return self.rows


def test_numbers_of_numpy_are_numbers(model):
    sizes = {"refill": 2, "prefill": 3, "slide": 4}
    plain = model.generate(PROMPTS, NEW, **sizes)
    named = model.generate(PROMPTS, NEW, **{name: np.int64(n) for name, n in sizes.items()})
    assert (plain["token_ids"] == named["token_ids"]).all()


def test_repetition_penalty_knows_the_prompt_and_what_was_drawn(model):
    sampler = kpar.generation.Sampler(0.0, repetition_penalty=[1.0, 1000.0, 1000.0])
    result = model.generate(PROMPTS, NEW, sampler, stop_ids=())
    plain = new_tokens(model.generate(PROMPTS, NEW, "greedy", stop_ids=()))
    assert (new_tokens(result)[0] == plain[0]).all()
    for row in (1, 2):
        held = set(PROMPTS["token_ids"][row, : LENGTHS[row]].tolist())
        for token in new_tokens(result)[row].tolist():
            assert token not in held
            held.add(token)
    assert (new_tokens(result)[1:] != plain[1:]).any()


@pytest.mark.parametrize(
    "sampler",
    [
        kpar.generation.Sampler(top_k=1),
        kpar.generation.Sampler(min_p=1.0),
        kpar.generation.Sampler(typical_p=0.0),
        kpar.generation.Sampler(top_k=[1, 1, 1], min_p=0.2, typical_p=[1.0, 0.9, 0.5], top_p=0.9),
    ],
)
def test_every_sampler_has_a_corner_that_is_greedy(model, sampler):
    greedy = new_tokens(model.generate(PROMPTS, NEW, "greedy", stop_ids=()))
    assert (new_tokens(model.generate(PROMPTS, NEW, sampler, stop_ids=())) == greedy).all()


@dataclasses.dataclass(frozen=True)
class Only(kpar.generation.LogitMask):
    """Allows the tokens below a limit, and none in rows longer than so many."""

    below: int
    most: int = 10**6

    def __call__(self, history):
        allowed = keras.ops.arange(VOCAB) < self.below
        return keras.ops.logical_and(allowed, history.lengths[:, None] < self.most)


def test_masks_are_what_all_of_them_allow(model):
    options = {"sampler": kpar.generation.Sampler(9.0), "stop_ids": ()}
    tokens = new_tokens(model.generate(PROMPTS, NEW, **options, masks=(Only(7), Only(6))))
    assert set(tokens.ravel().tolist()) == {3, 4, 5}
    tokens = new_tokens(model.generate(PROMPTS, NEW, **options, masks=Only(VOCAB)))
    assert (tokens == new_tokens(model.generate(PROMPTS, NEW, **options))).all()


def test_a_row_ends_where_nothing_is_allowed(model):
    result = model.generate(PROMPTS, NEW, stop_ids=(), masks=Only(VOCAB, most=7))
    assert result["lengths"].tolist() == [7, 7, 7]
    assert (result["token_ids"][:, 7:] == 0).all()
    free = model.generate(PROMPTS, NEW, stop_ids=())
    assert (result["token_ids"][:, :7] == free["token_ids"][:, :7]).all()
    assert np.isfinite(result["log_probs"]).sum(1).tolist() == [6, 2, 4]
