import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import (
    CONTEXT,
    VOCAB,
    compiled,
    random_ids,
    tiny_model,
    to_numpy,
)

WIDTH, LATENTS = 12, 4
SIZES = {"vocab_size": VOCAB, "max_context": CONTEXT, "num_latents": LATENTS, "num_layers": 1}
SIZES |= {"width": 16, "num_heads": 2}


@pytest.fixture(scope="module", params=["rotary", "absolute"])
def model(request):
    """A model and its compiled call; the backbone is looked at through its logits."""
    return tiny_model(request.param)


@pytest.fixture(scope="module")
def run(model):
    return compiled(model)


def seated(lengths, num_latents=LATENTS):
    """Which latents sit on an input, bool (B, N)."""
    return np.arange(num_latents) >= num_latents - np.asarray(lengths)[:, None]


@given(st.data())
def test_no_latent_sees_what_comes_after_it(model, run, data):
    length = data.draw(st.integers(1, WIDTH))
    place = data.draw(st.integers(0, length - 1))
    ids = random_ids(data.draw(st.integers(0, 99)), 2, WIDTH)
    lengths = np.array([length, WIDTH], "int32")
    changed = ids.copy()
    changed[0, place] = 3 + (ids[0, place] - 2) % (VOCAB - 3)
    before = run({"token_ids": ids, "lengths": lengths})
    after = run({"token_ids": changed, "lengths": lengths})
    steps = np.arange(length - LATENTS, length)
    blind = (steps >= 0) & (steps < place)
    assert (after[0, blind] == before[0, blind]).all()
    # Every latent from there on does see it, and no other row does.
    assert (after[0, steps >= place] != before[0, steps >= place]).any(-1).all()
    assert (after[1] == before[1]).all()


@given(st.lists(st.integers(0, WIDTH), min_size=2, max_size=2), st.integers(0, 99))
def test_padding_never_matters(model, run, lengths, seed):
    lengths = np.array(lengths, "int32")
    clean, garbage = random_ids(seed, 2, WIDTH), random_ids(seed + 1, 2, WIDTH, low=0)
    outside = np.arange(WIDTH) >= lengths[:, None]
    first = run({"token_ids": np.where(outside, 0, clean), "lengths": lengths})
    second = run({"token_ids": np.where(outside, garbage, clean), "lengths": lengths})
    assert (first[seated(lengths)] == second[seated(lengths)]).all()
    assert np.isfinite(first).all()


def test_a_row_ends_at_its_first_zero_or_at_its_length(model, run):
    ids = random_ids(0, 2, WIDTH)
    ids[0, 7:] = 0
    lengths = np.array([7, WIDTH], "int32")
    assert (run({"token_ids": ids}) == run({"token_ids": ids, "lengths": lengths})).all()


def test_id_zero_within_a_given_length_is_an_input(model, run):
    ids = random_ids(0, 2, WIDTH)
    ids[:, 5] = 0
    lengths = np.array([9, WIDTH], "int32")
    table = model.backbone.token_embedding.embeddings
    before = run({"token_ids": ids, "lengths": lengths})
    # It has an embedding of its own: giving it that of another token is to write the other token.
    old, rows = to_numpy(table), to_numpy(table).copy()
    rows[0] = rows[7]
    table.assign(rows)
    as_seven = run({"token_ids": ids, "lengths": lengths})
    table.assign(old)
    ids[:, 5] = 7
    assert (run({"token_ids": ids, "lengths": lengths}) == as_seven).all()
    assert (as_seven != before).any(-1).all()


def test_rows_of_a_ragged_batch_equal_rows_alone(model, run):
    ids, lengths = random_ids(0, 3, WIDTH), np.array([2, 7, WIDTH], "int32")
    together = run({"token_ids": ids, "lengths": lengths})
    for row, length in enumerate(lengths):
        alone = run({"token_ids": ids[row : row + 1, :length]})  # no padding at all
        valid = seated([length])[0]
        np.testing.assert_allclose(alone[0, valid], together[row, valid], rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [1, 3])
def test_fewer_inputs_than_latents(model, run, width):
    ids = random_ids(0, 2, width)
    short = run({"token_ids": ids})
    assert short.shape == (2, LATENTS, VOCAB)
    padded = run({"token_ids": np.pad(ids, [(0, 0), (0, WIDTH - width)])})
    valid = seated([width, width])
    np.testing.assert_allclose(short[valid], padded[valid], rtol=0, atol=1e-5)


def test_another_number_of_latents_at_call_time(model, run):
    ids, lengths = random_ids(0, 2, WIDTH), np.array([3, WIDTH], "int32")
    inputs = {"token_ids": ids, "lengths": lengths}
    other = tiny_model(model.backbone.positions, num_latents=7)
    other.set_weights(model.get_weights())
    assert (run(inputs, num_latents=7) == compiled(other)(inputs)).all()
    assert (run(inputs, num_latents=LATENTS) == run(inputs)).all()


def test_positions_default_to_those_from_the_start(model, run):
    ids, lengths = random_ids(0, 2, WIDTH), np.array([5, WIDTH], "int32")
    index = np.arange(1, WIDTH + 1)
    positions = np.where(index <= lengths[:, None], index, 0).astype("int32")
    given_none = run({"token_ids": ids, "lengths": lengths})
    given = {"token_ids": ids, "lengths": lengths, "positions": positions}
    assert (run(given) == given_none).all()
    moved = run({**given, "positions": positions + 5})
    if model.backbone.rotary is None:
        assert (np.abs(moved - given_none).max(-1) > 1e-2).all()
    else:  # rotations tell distances only
        np.testing.assert_allclose(moved, given_none, rtol=0, atol=5e-5)
        assert np.abs(run({**given, "positions": positions[:, ::-1]}) - given_none).max() > 1e-2


def test_positions_from_the_end_ignore_those_of_the_data():
    model = tiny_model(kpar.layers.RotaryEmbedding(CONTEXT, from_end=True))
    inputs = {"token_ids": random_ids(0, 2, WIDTH), "lengths": np.array([5, WIDTH], "int32")}
    run = compiled(model)
    by_end = run(inputs)
    index = np.arange(WIDTH)
    positions = np.stack([(4 - index) % WIDTH, WIDTH - 1 - index]).astype("int32")
    assert (run({**inputs, "positions": positions + 3}) == by_end).all()
    from_data = tiny_model(kpar.layers.RotaryEmbedding(CONTEXT))
    from_data.set_weights(model.get_weights())
    run = compiled(from_data)
    assert (run({**inputs, "positions": positions}) == by_end).all()
    assert np.abs(run(inputs) - by_end).max() > 1e-2


def test_several_index_dimensions():
    embedding = kpar.layers.PositionEmbedding((4, 4, 5), 12, "learned")
    model = tiny_model(embedding)
    ids = random_ids(0, 2, WIDTH)
    positions = np.random.default_rng(0).integers(0, 4, (2, WIDTH, 3)).astype("int32")
    run = compiled(model)
    logits = run({"token_ids": ids, "positions": positions})
    other = positions.copy()
    other[0, -1, 1] ^= 1
    moved = run({"token_ids": ids, "positions": other})
    assert (moved[0, -1] != logits[0, -1]).any()
    assert (moved[0, :-1] == logits[0, :-1]).all()
    with pytest.raises(ValueError, match="3 index dimension"):
        model({"token_ids": ids})


def test_bare_ids_are_inputs_too(model):
    ids = random_ids(0, 2, WIDTH)
    run = compiled(model.backbone)
    bare = run(ids)
    assert bare.shape == (2, LATENTS, 16)
    assert (run({"token_ids": ids}) == bare).all()
    # The last step is a layer norm.
    gamma, beta = model.backbone.latent_stack.final_norm.get_weights()
    plain = (bare - beta) / gamma
    np.testing.assert_allclose(plain.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(plain.std(-1), 1, atol=1e-3)


def test_dropout_acts_in_training_alone_and_follows_its_seed():
    backbone = kpar.models.PerceiverARBackbone(**SIZES, dropout=0.3, seed=1)
    inputs = {"token_ids": random_ids(0, 2, WIDTH)}

    def call(training, *seed):
        return to_numpy(
            backbone(inputs, training=training, seed=np.array(seed, "uint32") if seed else None)
        )

    assert (call(False, 1, 2) == call(False)).all()
    assert (call(True, 1, 2) == call(True, 1, 2)).all()
    assert (call(True, 1, 2) != call(True, 1, 3)).any()
    assert (call(True, 1, 2) != call(False)).any()
    assert (call(True) != call(True)).any()  # drawn from the generator, which moves on


@pytest.mark.parametrize(
    "positions",
    [
        "rotary",
        "absolute",
        "learned",
        kpar.layers.RotaryEmbedding(99, 0.25, 0.5, from_end=True),
        kpar.layers.PositionEmbedding(25, 16, from_end=True),
    ],
    ids=["rotary", "absolute", "learned", "own rotary", "own table"],
)
def test_config_round_trip_and_saving(tmp_path, positions):
    options = {"input_width": 16, "mlp_factor": 3, "activation": "gelu_tanh", "dropout": 0.1}
    cross_attend = kpar.models.CrossAttend(num_heads=4, width=32, mlp_factor=2)
    options |= {"cross_attend": cross_attend, "seed": 3}
    backbone = kpar.models.PerceiverARBackbone(**SIZES, **options, positions=positions)
    config = backbone.get_config()
    assert {name: config[name] for name in SIZES} == SIZES
    assert kpar.models.PerceiverARBackbone.from_config(config).get_config() == config
    backbone.save(tmp_path / "backbone.keras")
    loaded = keras.saving.load_model(tmp_path / "backbone.keras")
    assert loaded.get_config() == config
    inputs = {"token_ids": random_ids(0, 2, WIDTH)}
    assert (compiled(loaded)(inputs) == compiled(backbone)(inputs)).all()


def test_mixed_bfloat16_computes_in_bfloat16():
    backbone = kpar.models.PerceiverARBackbone(
        **SIZES, positions="absolute", dtype="mixed_bfloat16"
    )
    assert compiled(backbone)(random_ids(0, 2, WIDTH)).dtype.name == "bfloat16"
    assert {weight.dtype for weight in backbone.weights} == {"float32"}


@pytest.mark.parametrize(
    "culprit, arguments",
    [
        ("vocab_size=0", {"vocab_size": 0}),
        ("max_context=2.5", {"max_context": 2.5}),
        ("num_layers=-1", {"num_layers": -1}),
        ("width=0", {"width": 0}),
        ("num_heads='2'", {"num_heads": "2"}),
        ("num_latents=0", {"num_latents": 0}),
        ("num_latents=25, max_context=24", {"num_latents": 25}),
        ("positions='fourier'", {"positions": "fourier"}),
        ("dropout outputs=1.0", {"dropout": 1.0}),
        (
            "positions.width=12, input_width=16",
            {"positions": kpar.layers.PositionEmbedding(25, 12)},
        ),
        ("attention width 16, num_heads=3", {"num_heads": 3}),
        (
            "attention width 10, num_heads=4",
            {"cross_attend": kpar.models.CrossAttend(num_heads=4, width=10)},
        ),
    ],
)
def test_refusals(culprit, arguments):
    with pytest.raises(ValueError, match=f"Received: {culprit}"):
        kpar.models.PerceiverARBackbone(**{**SIZES, **arguments})


def test_refusals_of_a_call(model):
    with pytest.raises(ValueError, match=f"25 inputs a row, more than max_context={CONTEXT}"):
        model.backbone(random_ids(0, 1, CONTEXT + 1))
    for num_latents in (0, 25, 2.0, "4"):
        with pytest.raises(ValueError, match=f"num_latents={num_latents!r}"):
            model.backbone(random_ids(0, 1, WIDTH), num_latents=num_latents)


def test_no_latent_blocks():
    backbone = kpar.models.PerceiverARBackbone(**{**SIZES, "num_layers": 0})
    assert compiled(backbone)(random_ids(0, 2, WIDTH)).shape == (2, LATENTS, 16)


@pytest.mark.parametrize("context", [WIDTH, None])
def test_symbolic_call(context):
    backbone = kpar.models.PerceiverARBackbone(**SIZES)
    inputs = {
        "token_ids": keras.Input((context,), dtype="int32", name="token_ids"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    assert backbone(inputs).shape == (None, LATENTS, 16)
    assert backbone(inputs, num_latents=2).shape == (None, 2, 16)
    functional = keras.Model(inputs, backbone(inputs))
    values = {"token_ids": random_ids(0, 3, WIDTH), "lengths": np.array([1, 5, 7], "int32")}
    assert (to_numpy(functional(values)) == to_numpy(backbone(values))).all()


@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
def test_a_trained_table_of_ones_own_is_saved(tmp_path, kind):
    table = kpar.layers.PositionEmbedding(CONTEXT + 1, 16, kind, trainable=True)
    backbone = kpar.models.PerceiverARBackbone(**SIZES, positions=table)
    backbone.save(tmp_path / "backbone.keras")
    inputs = {"token_ids": random_ids(0, 2, WIDTH)}
    loaded = keras.saving.load_model(tmp_path / "backbone.keras")
    assert (to_numpy(loaded(inputs)) == to_numpy(backbone(inputs))).all()


def test_a_misspelt_input_is_named(model):
    inputs = {"token_ids": random_ids(0, 2, WIDTH), "length": np.array([3, 4])}
    with pytest.raises(ValueError, match=r"nothing else. Received: \['length', 'token_ids'\]"):
        model.backbone(inputs)
