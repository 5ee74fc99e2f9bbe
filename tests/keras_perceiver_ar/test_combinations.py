"""Every option in every mode: what holds for one model holds for all of them.

A few combinations by default; `make test-combinations` runs those that show every pair of values.
"""

import gc
import os

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar import combinations
from tests.keras_perceiver_ar.support import (
    BACKEND,
    CONTEXT,
    VOCAB,
    compiled,
    random_ids,
    tiny_model,
    to_numpy,
)

pytestmark = pytest.mark.slow

ALL = os.environ.get("PERCEIVER_AR_COMBINATIONS") == "all"
# JAX compiles each of them for half a minute.
CHOICES = combinations.combinations(None if ALL else 2 if BACKEND == "jax" else 4)
WIDTH, NEW, POSITIONS = 16, 6, 4
LENGTHS = np.array([16, 11, 2, 6], "int32")  # one is shorter than the latents


def make_model(choice, **settings):
    backbone, output = combinations.arguments(choice)
    return tiny_model(**backbone, model=output, **settings)


def make_inputs(model, width=WIDTH, lengths=LENGTHS):
    inputs = {"token_ids": random_ids(0, len(lengths), CONTEXT)[:, :width], "lengths": lengths}
    if model.backbone.num_index_dimensions > 1:
        sizes = combinations.PIXELS
        grid = np.stack(np.unravel_index(np.arange(CONTEXT), sizes), axis=-1).astype("int32")
        inputs["positions"] = np.broadcast_to(grid[:width], (len(lengths), width, 3))
    return inputs


@pytest.fixture(scope="module", params=range(len(CHOICES)))
def choice(request):
    yield CHOICES[request.param]
    if BACKEND == "jax":
        # Every program that JAX holds takes memory maps, and a process that has used up the 65,530
        # that Linux allows ends in a segmentation fault: after 60 choices or so.
        import jax

        gc.collect()
        jax.clear_caches()


@pytest.fixture(scope="module")
def model(choice):
    return make_model(choice)


@pytest.fixture(scope="module")
def run(model):
    return compiled(model)


def seated(lengths):
    return np.arange(POSITIONS) >= POSITIONS - lengths[:, None]


def test_a_row_does_not_depend_on_its_neighbours_or_its_padding(choice, model, run):
    inputs = make_inputs(model)
    logits = run(inputs)
    assert logits.shape == (len(LENGTHS), POSITIONS, VOCAB)
    spoilt = {**inputs, "token_ids": inputs["token_ids"].copy()}
    spoilt["token_ids"][np.arange(WIDTH) >= LENGTHS[:, None]] = 7
    spoilt = {name: values[::-1] for name, values in spoilt.items()}
    again = run(spoilt)[::-1]
    np.testing.assert_allclose(again[seated(LENGTHS)], logits[seated(LENGTHS)], atol=1e-5)


def test_no_latent_sees_what_comes_after_it(model, run):
    inputs = make_inputs(model, lengths=np.full(4, WIDTH, "int32"))
    logits = run(inputs)
    changed = {**inputs, "token_ids": inputs["token_ids"].copy()}
    changed["token_ids"][:, -2] = 3 + (changed["token_ids"][:, -2] - 2) % (VOCAB - 3)
    others = run(changed)
    assert (others[:, :-2] == logits[:, :-2]).all()
    if model.backbone.latent_query.style in ("input", "mlp"):
        assert (others[:, -2] != logits[:, -2]).any()


def test_it_trains(choice):
    model = make_model(choice, seed=1)
    model.compile(
        keras.optimizers.SGD(0.1), loss=kpar.training.PerceiverARLoss(), jit_compile=False
    )
    inputs = make_inputs(model)
    labels = random_ids(1, len(LENGTHS), WIDTH)
    before = [to_numpy(weight).copy() for weight in model.trainable_weights]
    first = float(model.train_on_batch(inputs, labels))
    assert np.isfinite(first)
    for _ in range(12):
        last = float(model.train_on_batch(inputs, labels))
    assert last < first
    frozen = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if (to_numpy(weight) == old).all() and not may_rest(weight.path, choice)
    ]
    assert not frozen


def may_rest(path, choice):
    """Whether a weight's gradient may be exactly 0."""
    # Latents that are all alike, and have read nothing yet, take the same of whatever they attend
    # to: what is left of the gradients of both blocks before the first read is rounding.
    alike = choice["style"] == "shared" and choice["reads"] == "after 1 alone"
    before = ("latent_block_0/attention/", "latent_block_1/attention/")
    if alike and path.startswith(before) and path.split("/")[2] in ("query", "key"):
        return True
    # The bias of a key shifts all scores of a query alike.
    return path.endswith("attention/key/bias")


def test_the_cache_changes_nothing(choice, model, run):
    # The last row grows until its last token follows a full context.
    lengths = np.array([1, 3, 9, CONTEXT + 1 - NEW], "int32")
    inputs = make_inputs(model, CONTEXT, lengths)
    prompts = {**inputs, "token_ids": inputs["token_ids"][:, : lengths.max()]}
    result = model.generate(prompts, NEW, sampler="greedy", stop_ids=())
    per_position = model.backbone.latents_per_position
    cached = not model.backbone.positions_from_end and choice["style"] != "learned"
    for row, length in enumerate(lengths):
        held = min(length, POSITIONS)
        for step in range(NEW):
            end = length + step
            ids = np.zeros((len(lengths), CONTEXT), "int32")
            ids[:, :end] = result["token_ids"][row, :end]
            call = {**inputs, "token_ids": ids, "lengths": np.full(len(lengths), end, "int32")}
            logits = run(call, num_latents=int(held * per_position))[0, -1].astype("float64")
            token = result["token_ids"][row, end]
            likeliest = np.where(np.arange(VOCAB) < 3, -np.inf, logits)
            assert token == likeliest.argmax()
            wanted = logits[token] - np.log(np.exp(logits).sum())
            assert result["log_probs"][row, step] == pytest.approx(wanted, abs=5e-5)
            if cached:
                held = POSITIONS // 2 if held == POSITIONS else held + 1
            else:
                held = min(end + 1, POSITIONS)


def test_scores_cover_every_input_once(model):
    scores = to_numpy(model.score(make_inputs(model)))
    index = np.arange(WIDTH)
    assert (np.isnan(scores) != ((index > 0) & (index < LENGTHS[:, None]))).all()
    assert (scores[~np.isnan(scores)] < 0).all()


def test_it_is_saved_whole(choice, model, run, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    inputs = make_inputs(model)
    assert (compiled(loaded)(inputs) == run(inputs)).all()


def test_mixed_precision_is_close(choice, model, run):
    low = make_model(choice, dtype="mixed_bfloat16")
    low.set_weights(model.get_weights())
    inputs = make_inputs(model)
    logits, exact = compiled(low)(inputs), run(inputs)
    assert logits.dtype == np.float32
    shown = seated(LENGTHS)
    error = np.abs(logits - exact)[shown].mean() / exact[shown].std()
    assert error < 0.08


@pytest.mark.skipif(BACKEND == "jax", reason="every other test there compiles already")
def test_xla_takes_it(choice, model, run):
    import tensorflow as tf

    inputs = make_inputs(model)
    call = tf.function(
        lambda inputs: model(inputs, training=False), jit_compile=True, autograph=False
    )
    np.testing.assert_allclose(call(inputs).numpy(), run(inputs), atol=2e-5)
