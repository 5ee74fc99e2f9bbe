import copy

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
    tiny_model,
    to_numpy,
)

BATCH, WIDTH, LATENTS = 6, 10, 4
LENGTHS = np.array([10, 10, 7, 3, 1, 0], "int32")


@pytest.fixture(scope="module")
def data():
    """Ragged rows that count upwards, so that they can be learnt, and the id after each."""
    start = np.random.default_rng(0).integers(0, VOCAB - 3, (BATCH, 1))
    counting = (start + np.arange(WIDTH + 1)) % (VOCAB - 3) + 3
    counting[np.arange(WIDTH + 1) > LENGTHS[:, None]] = 0
    counting[LENGTHS == 0] = 0
    ids, labels = counting[:, :-1].copy(), counting[:, 1:]
    ids[np.arange(WIDTH) >= LENGTHS[:, None]] = 0
    return {"token_ids": ids.astype("int32"), "lengths": LENGTHS}, labels.astype("int32")


@pytest.fixture(scope="module")
def model():
    """Compiled once; its weights stay what they are."""
    model = tiny_model()
    model.compile(
        keras.optimizers.Adam(1e-2),
        loss=kpar.training.PerceiverARLoss(z_loss=1e-2),
        weighted_metrics=[kpar.training.TokenAccuracy(), kpar.training.BitsPerToken()],
        jit_compile=JIT,
    )
    return model


def log_softmax(logits):
    logits = logits.astype("float64")
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def by_hand(model, data, weights):
    """Mean loss, accuracy and bits, latent by latent."""
    inputs, labels = data
    logits = compiled(model)(inputs).astype("float64")
    log_probs = log_softmax(logits)
    loss, hits, bits, total, count = 0, 0, 0, 0, 0
    for row, length in enumerate(LENGTHS):
        for latent in range(LATENTS):
            step = length - LATENTS + latent
            if step < 0 or labels[row, step] == 0:
                continue
            label, weight = labels[row, step], weights[row, step]
            log_z = (logits[row, latent] - log_probs[row, latent])[0]
            loss += weight * (-log_probs[row, latent, label] + 1e-2 * log_z**2)
            bits += weight * -log_probs[row, latent, label] / np.log(2)
            hits += weight * (logits[row, latent].argmax() == label)
            total, count = total + weight, count + 1
    return {"loss": loss / count, "accuracy": hits / total, "bits_per_token": bits / total}


def test_logits_are_a_dense_layer_over_the_latents(model, data):
    latents = compiled(model.backbone)(data[0])
    kernel, bias = model.logits.get_weights()
    logits = compiled(model)(data[0])
    assert logits.shape == (BATCH, LATENTS, VOCAB)
    np.testing.assert_allclose(logits, latents @ kernel + bias, rtol=0, atol=5e-6)


def test_an_untrained_model_knows_nothing():
    backbone = kpar.models.PerceiverARBackbone(VOCAB, 24, 4, num_layers=0, width=16, num_heads=2)
    logits = compiled(kpar.models.PerceiverARCausalLM(backbone))(random_ids(0, 2, 5))
    assert (logits == 0).all()


def test_labels_at_the_latents(model):
    labels = np.array([[11, 12, 13, 14, 15, 16], [21, 22, 0, 0, 0, 0], [9, 9, 9, 9, 9, 9]])
    inputs = {"token_ids": random_ids(0, 3, 6), "lengths": np.array([6, 2, 0], "int32")}

    def picked(*args):
        return to_numpy(model.latent_labels(inputs, *args)).tolist()

    assert picked(labels) == [[13, 14, 15, 16], [0, 0, 21, 22], [0, 0, 0, 0]]
    assert picked(labels, 1) == [[16], [22], [0]]
    assert picked(labels / 2) == [[6.5, 7, 7.5, 8], [0, 0, 10.5, 11], [0, 0, 0, 0]]


@pytest.mark.parametrize("shape", [None, (BATCH, WIDTH)])
def test_evaluate_equals_a_computation_by_hand(model, data, shape):
    weights = None if shape is None else np.random.default_rng(1).uniform(size=shape)
    spread = np.ones(shape or (BATCH,)) if weights is None else weights
    spread = np.broadcast_to(spread.reshape(BATCH, -1), (BATCH, WIDTH))
    result = model.evaluate(
        *data, sample_weight=weights, batch_size=BATCH, return_dict=True, verbose=0
    )
    assert result == pytest.approx(by_hand(model, data, spread), rel=1e-5)


def test_compute_loss_takes_labels_of_all_inputs(model, data):
    inputs, labels = data
    logits = compiled(model)(inputs)
    whole = model.compute_loss(inputs, labels, logits)
    loss = kpar.training.PerceiverARLoss(z_loss=1e-2)
    assert float(whole) == pytest.approx(float(loss(model.latent_labels(inputs, labels), logits)))
    assert float(whole) == pytest.approx(
        by_hand(model, data, np.ones((BATCH, WIDTH)))["loss"], rel=1e-5
    )


@pytest.mark.slow
def test_fit_learns_to_count(data):
    model = tiny_model(positions="absolute")
    model.compile(
        keras.optimizers.Adam(3e-2),
        loss=kpar.training.PerceiverARLoss(),
        metrics=[kpar.training.TokenAccuracy(), kpar.training.BitsPerToken()],
        jit_compile=JIT,
    )
    weights = np.ones((BATCH, WIDTH), "float32")
    history = model.fit(
        *data, sample_weight=weights, batch_size=BATCH, epochs=25, verbose=0
    ).history
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert history["accuracy"][-1] == 1
    assert history["bits_per_token"][-1] < 0.1 * history["bits_per_token"][0]


@pytest.mark.slow
def test_fit_with_dropout_in_mixed_precision(data):
    model = tiny_model(num_layers=1, dropout=0.1, dtype="mixed_bfloat16")
    assert compiled(model)(data[0]).dtype == np.float32
    model.compile(
        keras.optimizers.Adam(1e-2), loss=kpar.training.PerceiverARLoss(), jit_compile=JIT
    )
    history = model.fit(*data, batch_size=BATCH, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]


def test_labels_of_weight_zero_teach_nothing(data):
    inputs, labels = data
    weights = np.random.default_rng(2).integers(0, 2, labels.shape).astype("float32")
    other = np.where((labels > 0) & (weights == 0), 5, labels)
    model = tiny_model(num_layers=1)
    start, ends = model.get_weights(), []
    model.compile(keras.optimizers.SGD(0.1), loss=kpar.training.PerceiverARLoss(), jit_compile=JIT)
    for variant in (labels, other):
        model.set_weights(start)
        model.train_on_batch(inputs, variant, sample_weight=weights)
        ends.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*ends))
    assert any((a != b).any() for a, b in zip(start, ends[0]))


@pytest.mark.parametrize("positions", ["absolute", kpar.layers.RotaryEmbedding(24, 1.0)])
def test_saving(tmp_path, data, positions):
    model = tiny_model(positions, num_layers=1)
    model.generate({"token_ids": random_ids(0, 1, 3)}, 2)  # must leave nothing behind that is saved
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert (compiled(loaded)(data[0]) == compiled(model)(data[0])).all()
    loaded.save_weights(tmp_path / "some.weights.h5")
    other = tiny_model(positions, seed=1, num_layers=1)
    other.load_weights(tmp_path / "some.weights.h5")
    assert all((a == b).all() for a, b in zip(other.get_weights(), model.get_weights()))


def test_config_round_trip(model):
    again = kpar.models.PerceiverARCausalLM.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.weights]


def test_predict_is_the_call(model, data):
    logits = model.predict(data[0], batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(logits, compiled(model)(data[0]), rtol=0, atol=5e-6)


def test_a_copy_is_a_model_of_its_own(data):
    model = tiny_model(num_layers=1)
    twin = copy.deepcopy(model)
    assert all((a == b).all() for a, b in zip(twin.get_weights(), model.get_weights()))
    shake(twin, seed=1)
    prompt = {"token_ids": random_ids(0, 1, 3)}
    assert (twin.generate(prompt, 2)["log_probs"] != model.generate(prompt, 2)["log_probs"]).all()


def test_the_backbone_must_be_one():
    with pytest.raises(ValueError, match="`backbone` must be a PerceiverARBackbone. Received: 3"):
        kpar.models.PerceiverARCausalLM(3)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 13), (2, 11), (3, 12)])
def test_labels_must_be_one_for_each_input(model, shape):
    inputs = {"token_ids": random_ids(0, 2, 12)}
    with pytest.raises(ValueError, match=r"one label for each input.*\(2, 12\). Received: shape"):
        model.latent_labels(inputs, np.ones(shape, "int32"))


def test_fit_refuses_labels_of_another_width():
    model = tiny_model(num_layers=1)
    model.compile("sgd", loss=kpar.training.PerceiverARLoss())
    ids = random_ids(0, 2, 13)
    with pytest.raises(ValueError, match="one label for each input"):
        model.fit({"token_ids": ids[:, :-1]}, ids, verbose=0)
