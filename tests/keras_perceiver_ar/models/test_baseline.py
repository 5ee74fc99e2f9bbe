"""What the models to compare with must both do."""

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import (
    JIT,
    VOCAB,
    compiled,
    random_ids,
    shake,
    to_numpy,
    value_and_gradient,
)

SIZES = {"num_layers": 2, "width": 16, "num_heads": 2, "mlp_factor": 2}
LENGTHS = np.array([9, 4, 1, 0], "int32")
SEED = np.array([3, 4], "uint32")
MAKE = {
    "decoder": lambda **options: kpar.models.DecoderTransformer(VOCAB, 12, **SIZES | options),
    "xl": lambda **options: kpar.models.TransformerXL(VOCAB, 12, 5, **SIZES | options),
}


@pytest.fixture(params=MAKE)
def make(request):
    def make_model(**options):
        model = MAKE[request.param](**options)
        shake(model)
        return model

    return make_model


def counting(rows=6, width=9):
    """Rows that count upwards, and the id after each."""
    start = np.random.default_rng(0).integers(0, VOCAB - 3, (rows, 1))
    ids = (start + np.arange(width + 1)) % (VOCAB - 3) + 3
    return ids[:, :-1].astype("int32"), ids[:, 1:].astype("int32")


def blocks_of(model):
    return getattr(model, "latent_stack", model).blocks


def test_no_input_sees_what_comes_after_it_and_all_see_what_comes_before(make):
    run, ids = compiled(make()), random_ids(0, 2, 9)
    logits, changed = run(ids), ids.copy()
    assert logits.shape == (2, 9, VOCAB)
    assert logits.dtype == np.float32
    changed[0, 3] = 3 + (ids[0, 3] - 2) % (VOCAB - 3)
    others = run(changed)
    assert (others[0, :3] == logits[0, :3]).all()
    assert (others[0, 3:] != logits[0, 3:]).any(-1).all()
    assert (others[1] == logits[1]).all()


def test_rows_of_a_ragged_batch_equal_rows_alone_and_padding_never_matters(make):
    run, ids = compiled(make()), random_ids(0, 4, 9)
    inputs = {"token_ids": ids, "lengths": LENGTHS}
    logits = run(inputs)
    assert np.isfinite(logits).all()
    outside = np.arange(9) >= LENGTHS[:, None]
    spoilt = run(inputs | {"token_ids": np.where(outside, 7, ids)})
    assert (spoilt[~outside] == logits[~outside]).all()
    alone = run(ids[1:2, :4])
    np.testing.assert_allclose(logits[1, :4], alone[0], rtol=0, atol=1e-5)


def test_every_route_of_the_attention(make):
    route = kpar.models.AttentionRoute(head_group_size=1, query_chunk_size=4, key_chunk_size=3)
    at_once, in_parts, ids = make(), make(route=route), random_ids(0, 2, 9)
    blocks = blocks_of(in_parts)
    assert all(block.attention.route == route for block in blocks)
    np.testing.assert_allclose(compiled(in_parts)(ids), compiled(at_once)(ids), rtol=0, atol=1e-5)


def test_training_lowers_the_loss_step_by_step(make):
    model = make()
    model.compile(keras.optimizers.SGD(0.05), kpar.training.PerceiverARLoss(), jit_compile=JIT)
    losses = [float(model.train_on_batch(*counting())) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]


def test_an_untrained_model_knows_nothing():
    for make_model in MAKE.values():
        assert (to_numpy(make_model(num_layers=0)(random_ids(0, 2, 5))) == 0).all()


def test_mixed_precision(make):
    ids, labels = counting()
    exact, mixed = make(num_layers=1), make(num_layers=1, dtype="mixed_bfloat16")
    assert all(weight.dtype == "float32" for weight in mixed.trainable_weights)
    logits = compiled(exact)(ids)
    close = compiled(mixed)(ids)
    assert close.dtype == np.float32
    assert 0 < np.abs(close - logits).max() < 0.1 * np.abs(logits).max()
    mixed.compile(keras.optimizers.Adam(1e-2), kpar.training.PerceiverARLoss(), jit_compile=JIT)
    history = mixed.fit(ids, labels, batch_size=6, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_saving(make, tmp_path):
    route = kpar.models.AttentionRoute(key_chunk_size=4)
    model, ids = make(route=route, rematerialize=(1,), activation="silu"), random_ids(0, 2, 9)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert [block.rematerialize for block in blocks_of(loaded)] == [False, True]
    assert (compiled(loaded)(ids) == compiled(model)(ids)).all()


@pytest.mark.slow
def test_int8_is_close_and_is_saved(make, tmp_path):
    model, ids = make(num_layers=1), random_ids(0, 2, 9)
    exact = compiled(model)(ids)
    model.quantize("int8")
    quantized = compiled(model)(ids)
    assert 0 < np.abs(quantized - exact).mean() < 0.1 * exact.std()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (compiled(loaded)(ids) == quantized).all()


def test_a_symbolic_call_tells_shape_and_dtype(make):
    symbols = {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    layer = make()
    logits = layer(symbols)
    assert (logits.shape, logits.dtype) == ((None, None, VOCAB), "float32")
    inputs = {"token_ids": random_ids(0, 4, 9), "lengths": LENGTHS}
    assert (to_numpy(keras.Model(symbols, logits)(inputs)) == to_numpy(layer(inputs))).all()
    assert layer.compute_output_shape({"token_ids": (2, 7)}) == (2, 7, VOCAB)


def test_dropout_acts_in_training_alone_and_follows_its_seed(make):
    model, ids = make(dropout=0.3, seed=1, num_layers=1), random_ids(0, 2, 9)

    def call(training, *seed):
        seed = np.array(seed, "uint32") if seed else None
        return to_numpy(model(ids, training=training, seed=seed))

    assert (call(False, 1, 2) == call(False)).all()
    assert (call(True, 1, 2) == call(True, 1, 2)).all()
    assert (call(True, 1, 2) != call(True, 1, 3)).any()
    assert (call(True) != call(True)).any()  # drawn from the generator, which moves on


def gradients_of(model):
    ids, labels = counting(rows=2)
    others = [variable.value for variable in model.non_trainable_variables]

    def total(weights):
        logits, _ = model.stateless_call(weights, others, ids, training=True, seed=SEED)
        return kpar.training.PerceiverARLoss()(labels, logits)

    return value_and_gradient(total, [weight.value for weight in model.trainable_variables])


@pytest.mark.slow
def test_rematerialised_gradients_are_those_of_what_is_kept(make):
    kept, again = make(dropout=0.3), make(dropout=0.3, rematerialize=True)
    value, gradients = gradients_of(kept)
    other_value, other_gradients = gradients_of(again)
    assert other_value == pytest.approx(value, rel=1e-6)
    for weight, gradient, other in zip(kept.trainable_variables, gradients, other_gradients):
        scale = max(np.abs(gradient).max(), 1e-3)
        np.testing.assert_allclose(other, gradient, atol=5e-6 * scale, rtol=0, err_msg=weight.path)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"width": 0}, "`width` must be an integer ≥ 1"),
        ({"num_heads": 3}, "multiple of `num_heads`"),
        ({"dropout": 1.0}, "`dropout` must lie in"),
        ({"route": "dense"}, r"`route` must be a AttentionRoute\(…\)"),
        ({"rematerialize": "x"}, "`rematerialize` must be .* blocks from 0 to 1"),
        ({"rematerialize": (2,)}, "`rematerialize` must be .* blocks from 0 to 1"),
        ({"rematerialize": None}, "`rematerialize` must be .* blocks from 0 to 1"),
    ],
)
def test_sizes_that_are_none(make, wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**wrong)


def test_more_inputs_than_max_context(make):
    with pytest.raises(ValueError, match="more than max_context=12"):
        make()(random_ids(0, 1, 13))
