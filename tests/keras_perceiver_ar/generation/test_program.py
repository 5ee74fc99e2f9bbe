"""`generate` as a user calls it."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation import ChannelMask
from keras_perceiver_ar.generation.arguments import row_seeds
from tests.keras_perceiver_ar.support import (
    BACKEND,
    CONTEXT,
    VOCAB,
    random_ids,
    tiny_model,
    to_numpy,
)

LENGTHS = np.array([1, 5, 3], "int32")
PROMPTS = {"token_ids": random_ids(0, 3, 5), "lengths": LENGTHS}
NEW = 8
LONG_POSITIONS = np.full((3, 12), 2**32 + 1)


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_layers=1)


def biased(model, **bias):
    """Sets the bias of the logits, {"t5": 3.0} for id 5, and returns what undoes it."""
    old = to_numpy(model.logits.bias)
    new = old.copy()
    for token, value in bias.items():
        new[int(token[1:])] = value
    model.logits.bias.assign(new)
    return lambda: model.logits.bias.assign(old)


def new_tokens(result):
    places = LENGTHS[:, None] + np.arange(NEW)
    return np.take_along_axis(result["token_ids"], places, 1)


def same(first, second):
    return all(np.array_equal(first[k], second[k], equal_nan=k == "log_probs") for k in first)


def test_prompt_and_continuation(model):
    result = model.generate(PROMPTS, NEW, stop_ids=())
    assert {name: (value.shape, value.dtype.name) for name, value in result.items()} == {
        "token_ids": ((3, 5 + NEW), "int32"),
        "lengths": ((3,), "int32"),
        "log_probs": ((3, NEW), "float32"),
    }
    assert result["lengths"].tolist() == (LENGTHS + NEW).tolist()
    assert (result["log_probs"] < 0).all()
    for row, length in enumerate(LENGTHS):
        ids = result["token_ids"][row]
        assert (ids[:length] == PROMPTS["token_ids"][row, :length]).all()
        assert (ids[length : length + NEW] >= 3).all()
        assert (ids[length + NEW :] == 0).all()


def test_prompts_end_at_their_first_zero_without_lengths(model):
    ids = np.where(np.arange(5) < LENGTHS[:, None], PROMPTS["token_ids"], 0)
    result = model.generate(PROMPTS, NEW, sampler="greedy")
    assert same(model.generate({"token_ids": ids}, NEW, sampler="greedy"), result)
    assert same(model.generate(ids, NEW, sampler="greedy"), result)


def test_a_row_depends_on_its_own_seed_alone(model):
    whole = new_tokens(model.generate(PROMPTS, NEW, seed=7, stop_ids=()))
    assert (new_tokens(model.generate(PROMPTS, NEW, seed=7, stop_ids=())) == whole).all()
    seeds = np.array([7, 8, 9])
    assert (new_tokens(model.generate(PROMPTS, NEW, seed=seeds, stop_ids=())) == whole).all()
    assert (new_tokens(model.generate(PROMPTS, NEW, seed=70, stop_ids=())) != whole).any(1).all()
    for row in range(3):
        alone = {name: value[row : row + 1] for name, value in PROMPTS.items()}
        result = model.generate(alone, NEW, seed=7 + row, stop_ids=())["token_ids"][0]
        assert (result[LENGTHS[row] : LENGTHS[row] + NEW] == whole[row]).all()


def test_seeds_count_along_the_batch():
    assert row_seeds(5, 3).tolist() == [5, 6, 7]
    assert row_seeds([5, 5, 1], 3).tolist() == [5, 5, 1]
    assert row_seeds(2**32 + 5, 1).tolist() == [5]
    assert row_seeds(2**31 - 1, 2).tolist() == [2**31 - 1, -(2**31)]
    assert row_seeds(0, 2).dtype == np.int32


def test_low_temperature_and_small_nucleus_are_greedy(model):
    greedy = new_tokens(model.generate(PROMPTS, NEW, sampler="greedy", stop_ids=()))
    for sampler in (kpar.generation.Sampler(1e-5), kpar.generation.Sampler(1.0, 1e-5)):
        assert (new_tokens(model.generate(PROMPTS, NEW, sampler, stop_ids=())) == greedy).all()


def test_each_row_has_its_own_temperature_and_nucleus(model):
    greedy = new_tokens(model.generate(PROMPTS, NEW, sampler="greedy", stop_ids=()))
    warm = new_tokens(model.generate(PROMPTS, NEW, sampler="temperature", stop_ids=()))
    assert (greedy != warm).any(1).all()
    sampler = kpar.generation.Sampler(temperature=np.array([0.0, 1.0, 1.0]), top_p=[1.0, 1.0, 0.0])
    mixed = new_tokens(model.generate(PROMPTS, NEW, sampler, stop_ids=()))
    assert (mixed == np.stack([greedy[0], warm[1], greedy[2]])).all()


def test_a_row_stops_after_a_stop_id(model):
    """A bias makes id 5 a stop that comes now and then."""
    undo = biased(model, t5=1.5)
    free = new_tokens(model.generate(PROMPTS, NEW, seed=1, sampler="temperature", stop_ids=()))
    result = model.generate(PROMPTS, NEW, seed=1, sampler="temperature", stop_ids=(5,))
    undo()
    ends = [row.tolist().index(5) + 1 if 5 in row else NEW for row in free]
    assert min(ends) < NEW
    assert result["lengths"].tolist() == (LENGTHS + ends).tolist()
    for row, end in enumerate(ends):
        assert (new_tokens(result)[row, :end] == free[row, :end]).all()
        assert (result["token_ids"][row, LENGTHS[row] + end :] == 0).all()
        assert np.isfinite(result["log_probs"][row, :end]).all()
        assert np.isnan(result["log_probs"][row, end:]).all()


@pytest.mark.parametrize("stop_ids", [(), (1,), (2, 7)])
@pytest.mark.parametrize("sampler", ["greedy", "temperature", "top_p"])
def test_reserved_ids_are_never_sampled_unless_they_stop(model, stop_ids, sampler):
    undo = biased(model, t0=40.0, t1=40.0, t2=40.0)
    result = model.generate(PROMPTS, NEW, sampler=sampler, stop_ids=stop_ids)
    undo()
    for row, length in enumerate(LENGTHS):
        tokens = result["token_ids"][row, length : result["lengths"][row]].tolist()
        assert {0, 1, 2} & set(tokens) <= set(stop_ids)
        if {1, 2} & set(stop_ids):
            assert len(tokens) == 1  # as likely as it was made, it comes at once


def test_weights_that_change_change_what_is_generated(model):
    before = model.generate(PROMPTS, NEW, sampler="greedy", stop_ids=())
    undo = biased(model, t9=60.0)
    assert (new_tokens(model.generate(PROMPTS, NEW, sampler="greedy", stop_ids=())) == 9).all()
    undo()
    assert same(model.generate(PROMPTS, NEW, sampler="greedy", stop_ids=()), before)


def test_positions_that_are_given(model):
    index = np.broadcast_to(np.arange(1, 5 + NEW), (3, 5 + NEW - 1))
    plain = model.generate(PROMPTS, NEW, sampler="greedy")
    given = {**PROMPTS, "positions": index}
    assert same(model.generate(given, NEW, sampler="greedy"), plain)
    other = model.generate({**PROMPTS, "positions": index * 3}, NEW, sampler="greedy")
    assert (other["log_probs"] != plain["log_probs"]).any()


def test_positions_of_several_index_dimensions():
    model = tiny_model(kpar.layers.PositionEmbedding((4, 4), 12, "learned"), num_layers=1)
    positions = np.random.default_rng(0).integers(0, 4, (3, 5 + NEW, 2))
    result = model.generate({**PROMPTS, "positions": positions}, NEW, stop_ids=())
    assert result["lengths"].tolist() == (LENGTHS + NEW).tolist()


@pytest.mark.parametrize("use_cache", [True, False])
def test_the_last_token_follows_a_full_context(model, use_cache):
    new = CONTEXT + 1 - 5
    result = model.generate(PROMPTS, new, sampler="greedy", stop_ids=(), use_cache=use_cache)
    assert result["token_ids"].shape == (3, CONTEXT + 1)
    assert result["lengths"].tolist() == (LENGTHS + new).tolist()
    full = result["token_ids"][1:2]
    assert (full >= 3).all()
    again = model.generate(full[:, :-1], 1, sampler="greedy", stop_ids=(), use_cache=use_cache)
    assert again["token_ids"].shape == full.shape and again["lengths"].tolist() == [CONTEXT + 1]
    if not use_cache:
        assert (again["token_ids"] == full).all()
        assert again["log_probs"][0, 0] == pytest.approx(result["log_probs"][1, -1], abs=2e-5)


def test_every_step_can_be_watched(model):
    seen = []

    def see(lengths, drawn):
        seen.append((lengths.tolist(), drawn.tolist()))

    def on_step(lengths, drawn):
        if BACKEND == "jax":
            import jax

            jax.debug.callback(see, lengths, drawn, ordered=True)
            return lengths
        import tensorflow as tf

        told = tf.numpy_function(see, [lengths, drawn], [])
        with tf.control_dependencies([told]):
            return tf.identity(lengths)

    undo = biased(model, t5=1.5)
    watched = model.generate(PROMPTS, NEW, seed=1, stop_ids=(5,), on_step=on_step)
    assert same(watched, model.generate(PROMPTS, NEW, seed=1, stop_ids=(5,)))
    undo()
    ends, tokens = watched["lengths"], new_tokens(watched)
    assert min(ends - LENGTHS) < max(ends - LENGTHS)
    assert seen == [
        (np.minimum(LENGTHS + step + 1, ends).tolist(), tokens[:, step].tolist())
        for step in range(max(ends - LENGTHS))
    ]


def test_prompts_wider_than_what_they_hold(model):
    wide = np.zeros((3, 2 * CONTEXT), "int32")
    wide[:, :5] = PROMPTS["token_ids"]
    result = model.generate({"token_ids": wide, "lengths": LENGTHS}, NEW, sampler="greedy")
    assert result["token_ids"].shape == (3, 2 * CONTEXT + NEW)
    narrow = model.generate(PROMPTS, NEW, sampler="greedy")
    assert (result["token_ids"][:, : 5 + NEW] == narrow["token_ids"]).all()
    assert (result["token_ids"][:, 5 + NEW :] == 0).all()


class Unhashable(kpar.generation.LogitMask):
    __hash__ = None

    def __call__(self, history):
        return True


ids = PROMPTS["token_ids"]


@pytest.mark.parametrize(
    "message, inputs, options",
    [
        (
            "lengths` must hold an integer from 0 to 5",
            {"token_ids": ids, "lengths": [1, 1, -2]},
            {},
        ),
        ("lengths` must hold an integer from 0 to 5", {"token_ids": ids, "lengths": [1, 6, 2]}, {}),
        ("0 to 5 for each row. Received: .1 2.$", {"token_ids": ids, "lengths": [1, 2]}, {}),
        (
            "an integer from .* Received: .1.5 2. +2. .",
            {"token_ids": ids, "lengths": [1.5, 2, 2]},
            {},
        ),
        (r"shape \(B, M\) with B ≥ 1. .*\(0, 4\)", {"token_ids": np.zeros((0, 4), int)}, {}),
        ("`masks` must hold LogitMasks .* Received: 3", PROMPTS, {"masks": (3,)}),
        ("`masks` must .* can be hashed", PROMPTS, {"masks": Unhashable()}),
        ("ChannelMask.* is for a vocabulary of 9, .* 20", PROMPTS, {"masks": ChannelMask(2, 3)}),
        ("`slide` must be .* 1 to 23.* slide=24", PROMPTS, {"slide": 24}),
        ("`slide` must be .* slide='all'", PROMPTS, {"slide": "all"}),
        (r"integers of shape \(B, M\).* \(5,\)", {"token_ids": ids[0]}, {}),
        ("nothing else. Received: .'length', 'token_ids'", {"token_ids": ids, "length": [1]}, {}),
        ("integers .* float64", {"token_ids": ids / 2}, {}),
        ("5 .*max_new_tokens=21.*exceed 25,.*max_context=24", PROMPTS, {"max_new_tokens": 21}),
        ("25 .*max_new_tokens=1:.*exceed 25", np.full((1, 25), 3), {"max_new_tokens": 1}),
        ("`max_new_tokens` must .* Received: 0", PROMPTS, {"max_new_tokens": 0}),
        ("`max_new_tokens` must .* Received: 2.5", PROMPTS, {"max_new_tokens": 2.5}),
        ("`sampler` must .*'hot'", PROMPTS, {"sampler": "hot"}),
        ("`refill` must .*refill=9", PROMPTS, {"refill": 9}),
        (r"`seed` must .* 3 rows. Received: \[1, 2\]", PROMPTS, {"seed": [1, 2]}),
        ("`seed` must .* Received: 0.5", PROMPTS, {"seed": 0.5}),
        (
            r"`temperature` must .* 3 rows. Received: shape \(2,\)",
            PROMPTS,
            {"sampler": kpar.generation.Sampler(temperature=[1.0, 2.0])},
        ),
        (
            r"`positions` must cover .* 12 events. Received: shape \(3, 11\)",
            {**PROMPTS, "positions": np.ones((3, 11), "int32")},
            {},
        ),
        *(
            (message, {**PROMPTS, "positions": positions}, {})
            for message, positions in (
                (r"`positions` must be .* shape \(B, S\).* dtype float64", np.ones((3, 12))),
                (r"`positions` must be .* dtype bool", np.ones((3, 12), bool)),
                (r"`positions` must be .* 3 prompts. .* shape \(1, 12\)", np.ones((1, 12), int)),
                (r"`positions` must be .* shape \(3, 12, 3\)", np.ones((3, 12, 3), int)),
                (r"`positions` must fit in 32 bits. Received: 4294967297", LONG_POSITIONS),
            )
        ),
        ("`max_new_tokens` must be .* True", PROMPTS, {"max_new_tokens": True}),
        (
            r"`max_new_tokens` gives 3 rows of \d+ places",
            PROMPTS,
            {"max_new_tokens": 2**40, "slide": 1},
        ),
        (r"`stop_ids` must be integers", PROMPTS, {"stop_ids": [[1]]}),
        (r"`token_ids` must be integers of shape \(B, M\)", [[2, [3]], [4]], {}),
        ("`masks` must hold LogitMasks .* None", PROMPTS, {"masks": None}),
        (r"`refill` must be .* refill=2.0", PROMPTS, {"refill": 2.0}),
    ],
)
def test_refusals(model, message, inputs, options):
    with pytest.raises(ValueError, match=message):
        model.generate(inputs, **{"max_new_tokens": NEW, **options})


def test_the_vocabulary_is_used(model):
    """A guard for the tests above: the tiny model is not stuck on a few ids."""
    result = model.generate(PROMPTS, NEW, sampler=kpar.generation.Sampler(3.0), stop_ids=())
    assert len(set(new_tokens(result).ravel().tolist())) > VOCAB // 3
