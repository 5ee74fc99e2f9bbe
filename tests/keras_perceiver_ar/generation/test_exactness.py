"""Cached = uncached over a matrix of options, at every step and across refills.

A few choices by default; `make test-combinations` runs all of them.
"""

import gc
import itertools
import os

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.generation.cached_steps import refill_size
from tests.keras_perceiver_ar.generation import replay
from tests.keras_perceiver_ar.support import BACKEND, CONTEXT, compiled, random_ids, tiny_model

POSITIONS = {
    "rotary": lambda: "rotary",
    "absolute": lambda: "absolute",
    "learned": lambda: "learned",
    "fourier": lambda: kpar.layers.PositionEmbedding(CONTEXT + 2, 12, "fourier"),
    "pixels": lambda: kpar.layers.PositionEmbedding((5, 5), 12, "learned"),
    "rotary pixels": lambda: kpar.layers.RotaryEmbedding(32, 1.0, num_index_dimensions=2),
}
PER_POSITION = (1, 2)
READS = {"once": {}, "again": {"after_layers": (0,)}, "twice again": {"after_layers": (0, 1)}}
REFILLS = ("half", 3, 1)
MATRIX = tuple(itertools.product(POSITIONS, PER_POSITION, READS, REFILLS))
# Each value of each option, in the fewest choices.
FEW = (
    ("rotary", 1, "once", "half"),
    ("absolute", 2, "again", 3),
    ("pixels", 1, "twice again", 1),
    pytest.param("learned", 2, "once", 1, marks=pytest.mark.slow),
    pytest.param("fourier", 1, "again", "half", marks=pytest.mark.slow),
    pytest.param("rotary pixels", 2, "twice again", 3, marks=pytest.mark.slow),
)
ALL = os.environ.get("PERCEIVER_AR_COMBINATIONS") == "all"
SLOTS, NEW = 4, 10
# The last row grows until its last token follows a full context.
LENGTHS = np.array([1, 3, 9, CONTEXT + 1 - NEW], "int32")


def make_model(positions, per_position, reads):
    return tiny_model(
        POSITIONS[positions](),
        num_latents=SLOTS * per_position,
        latent_query=kpar.models.LatentQuery(latents_per_position=per_position),
        cross_attend=kpar.models.CrossAttend(**READS[reads]),
    )


def places(positions):
    """Positions of pixels in an order of each row's own; None where they are 1, 2, 3, …"""
    if "pixels" not in positions:
        return None
    random = np.random.default_rng(5)
    grid = np.stack(np.unravel_index(np.arange(25), (5, 5)), axis=-1).astype("int32")
    return np.stack([grid[random.permutation(25)] for _ in LENGTHS])


@pytest.fixture(autouse=True)
def _no_more_memory_maps():
    yield
    if BACKEND == "jax" and ALL:  # see tests/keras_perceiver_ar/test_combinations.py
        import jax

        gc.collect()
        jax.clear_caches()


@pytest.mark.parametrize("positions, per_position, reads, refill", MATRIX if ALL else FEW)
def test_cached_equals_uncached(positions, per_position, reads, refill):
    model = make_model(positions, per_position, reads)
    prompts = {"token_ids": random_ids(0, 4, LENGTHS.max()), "lengths": LENGTHS}
    where = places(positions)
    if where is not None:
        prompts["positions"] = where
    result = model.generate(prompts, NEW, sampler="greedy", refill=refill, stop_ids=())
    kept = refill_size(refill, SLOTS)
    steps, refills = zip(*(replay.seen(n, NEW, SLOTS, kept) for n in LENGTHS.tolist()))
    assert min(refills[2:]) >= 2
    ids = result["token_ids"]
    wanted = replay.uncached_logits(compiled(model), ids, LENGTHS, steps, per_position, where)
    options = {"num_latents": SLOTS * per_position, "refill": refill}
    found = replay.cached_logits(model, ids, LENGTHS, NEW, where, **options)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    # The loop drew from those.
    log_probs = replay.log_softmax(wanted)
    for row, length in enumerate(LENGTHS):
        tokens = ids[row, length : length + NEW]
        assert tokens.tolist() == (3 + wanted[row, :, 3:].argmax(-1)).tolist()
        np.testing.assert_allclose(
            result["log_probs"][row], log_probs[row, np.arange(NEW), tokens], rtol=0, atol=1e-4
        )


@pytest.mark.parametrize(
    "positions, slide, refill, use_cache",
    [
        ("rotary", "half", "half", None),
        ("absolute", 5, 3, None),
        pytest.param("learned", 1, 1, None, marks=pytest.mark.slow),
        ("absolute", 7, "half", False),
        pytest.param("rotary", CONTEXT - 1, 2, None, marks=pytest.mark.slow),
        pytest.param("rotary", 3, "half", False, marks=pytest.mark.slow),
    ],
)
def test_rows_go_on_as_if_they_began_with_what_stayed(positions, slide, refill, use_cache):
    """Over more than two contexts; one prompt is longer than a context."""
    model = make_model(positions, 1, "again")
    new, lengths = 2 * CONTEXT + 3, np.array([1, CONTEXT + 4, 9, CONTEXT], "int32")
    prompts = {"token_ids": random_ids(0, 4, lengths.max()), "lengths": lengths}
    result = model.generate(
        prompts, new, "greedy", refill=refill, slide=slide, stop_ids=(), use_cache=use_cache
    )
    assert result["lengths"].tolist() == (lengths + new).tolist()
    size = CONTEXT // 2 if slide == "half" else slide
    kept = refill_size(refill, SLOTS)
    steps = [replay.seen(n, new, SLOTS, kept, size)[0] for n in lengths.tolist()]
    if use_cache is False:  # always all latents
        steps = [
            [(start, min(SLOTS, n + i - start)) for i, (start, _) in enumerate(row)]
            for n, row in zip(lengths.tolist(), steps)
        ]
    assert min(len({start for start, _ in row}) for row in steps) >= 3
    ids = result["token_ids"]
    log_probs = replay.log_softmax(replay.uncached_logits(compiled(model), ids, lengths, steps))
    for row, length in enumerate(lengths):
        tokens = ids[row, length : length + new]
        assert tokens.tolist() == (3 + log_probs[row, :, 3:].argmax(-1)).tolist()
        np.testing.assert_allclose(
            result["log_probs"][row], log_probs[row, np.arange(new), tokens], rtol=0, atol=1e-4
        )


def test_positions_that_were_given_stay_with_their_events():
    model = make_model("pixels", 1, "once")
    new, lengths = CONTEXT, np.array([3, CONTEXT], "int32")
    random = np.random.default_rng(2)
    where = random.integers(0, 5, (2, 2 * CONTEXT, 2)).astype("int32")
    prompts = {"token_ids": random_ids(0, 2, CONTEXT), "lengths": lengths, "positions": where}
    result = model.generate(prompts, new, "greedy", slide=6, stop_ids=())
    steps = [replay.seen(n, new, SLOTS, 2, 6)[0] for n in lengths.tolist()]
    ids = result["token_ids"]
    wanted = replay.uncached_logits(compiled(model), ids, lengths, steps, 1, where)
    for row, length in enumerate(lengths):
        tokens = ids[row, length : length + new].tolist()
        assert tokens == (3 + wanted[row, :, 3:].argmax(-1)).tolist()


def test_a_row_that_fits_does_not_slide():
    model = make_model("rotary", 1, "once")
    prompts = random_ids(0, 2, 9)
    plain = model.generate(prompts, 16, "greedy", stop_ids=())
    slid = model.generate(prompts, 16, "greedy", stop_ids=(), slide=3)
    assert plain["token_ids"].shape[1] == CONTEXT + 1
    assert (slid["token_ids"] == plain["token_ids"]).all()
