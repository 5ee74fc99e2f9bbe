import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import GOLDEN, to_numpy, value_and_gradient

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(2, 4, 9)).astype("float32") * 3
LABELS = np.array([[0, 0, 5, 8], [2, 6, 0, 1]], "int32")


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "primitives.npz")


def targets(labels, size, label_smoothing=0.0):
    """The probabilities that a model should give to the tokens."""
    kept = np.eye(size)[labels]
    return kept * (1 - label_smoothing) + (1 - kept) * label_smoothing / (size - 1)


def by_hand(labels, logits, z_loss, label_smoothing=0.0):
    """Cross-entropy and z-loss of each label, in float64."""
    log_z = np.log(np.exp(logits.astype("float64")).sum(-1))
    target = targets(labels, logits.shape[-1], label_smoothing)
    cross_entropy = (target * (log_z[..., None] - logits)).sum(-1)
    entropy = -(target * np.log(np.where(target > 0, target, 1))).sum(-1)
    return (cross_entropy - entropy) * (labels > 0), z_loss * log_z**2 * (labels > 0)


@pytest.mark.parametrize("z_loss", [0.0, 0.0001])
def test_loss_of_the_original(golden, z_loss):
    labels = golden["ce_labels"]
    parts = kpar.training.token_loss(labels, golden["ce_logits"], z_loss)
    cross_entropy, z_part = (to_numpy(part) for part in parts)
    counts = labels > 0  # the original's loss is masked later on
    for part, name in ((cross_entropy + z_part, "ce_loss"), (z_part, "ce_zloss")):
        wanted = golden[f"{name}_z{z_loss}_ls0.0"] * counts
        np.testing.assert_allclose(part, wanted, rtol=1e-6, atol=1e-7)


def test_label_zero_counts_in_no_loss():
    parts = [to_numpy(part) for part in kpar.training.token_loss(LABELS, LOGITS, 0.1)]
    for part, wanted in zip(parts, by_hand(LABELS, LOGITS, 0.1), strict=True):
        assert ((part > 0) == (LABELS > 0)).all()
        np.testing.assert_allclose(part, wanted, rtol=2e-6)


def test_bfloat16_logits_are_summed_in_float32():
    logits = keras.ops.zeros((1, 1, 1000), "bfloat16")
    loss = kpar.training.token_loss(np.array([[3]]), logits)[0]
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(loss), np.log(1000), rtol=1e-6)


def test_mean_and_sum():
    total = sum(part.sum() for part in by_hand(LABELS, LOGITS, 0.01))
    loss = kpar.training.PerceiverARLoss(0.01, normalization="sum")(LABELS, LOGITS)
    assert float(loss) == pytest.approx(total, rel=1e-6)
    loss = kpar.training.PerceiverARLoss(0.01)(LABELS, LOGITS)
    assert float(loss) == pytest.approx(total / 5, rel=1e-6)


@pytest.mark.parametrize(
    ("normalization", "reduction"), [("mean", "sum_over_batch_size"), ("sum", "sum")]
)
def test_a_mean_is_one_that_keras_scales_for_replicas(normalization, reduction):
    loss = kpar.training.PerceiverARLoss(normalization=normalization)
    # As models that were saved before have it.
    old = kpar.training.PerceiverARLoss.from_config({**loss.get_config(), "reduction": "sum"})
    assert loss.reduction == old.reduction == reduction
    assert float(loss(LABELS, LOGITS)) == float(old(LABELS, LOGITS))


@pytest.mark.parametrize("normalization", ["mean", "sum"])
def test_no_labels_no_loss(normalization):
    loss = kpar.training.PerceiverARLoss(normalization=normalization)
    assert float(loss(np.zeros_like(LABELS), LOGITS)) == 0


@pytest.mark.parametrize("normalization, divisor", [("mean", 5), ("sum", 1)])
def test_sample_weights_scale_each_label(normalization, divisor):
    weights = RANDOM.uniform(size=LABELS.shape).astype("float32")
    loss = kpar.training.PerceiverARLoss(0.01, normalization)(LABELS, LOGITS, weights)
    wanted = (sum(by_hand(LABELS, LOGITS, 0.01)) * weights).sum() / divisor
    assert float(loss) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.1, 0.7])
def test_label_smoothing_gives_probability_to_the_other_tokens(label_smoothing):
    parts = kpar.training.token_loss(LABELS, LOGITS, 0.1, label_smoothing)
    wanted = by_hand(LABELS, LOGITS, 0.1, label_smoothing)
    for part, number in zip(parts, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(part), number, rtol=3e-6)
    loss = kpar.training.PerceiverARLoss(0.1, "sum", label_smoothing)(LABELS, LOGITS)
    assert float(loss) == pytest.approx(sum(wanted).sum(), rel=1e-6)


def test_the_least_loss_is_0_with_label_smoothing_too():
    logits = np.log(targets(LABELS, 9, 0.1)).astype("float32")
    cross_entropy, _ = kpar.training.token_loss(LABELS, logits, label_smoothing=0.1)
    np.testing.assert_allclose(to_numpy(cross_entropy), 0, atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4, 1e30])
def test_huge_logits_lose_no_digits(shift, label_smoothing):
    # Eighths, so that float32 holds the shifted logits exactly (at 1e30 all differences are gone).
    logits = (np.round(LOGITS * 8) / 8 + np.float32(shift)).astype("float32")
    reduced = logits.astype("float64") - logits.astype("float64").max(-1, keepdims=True)

    def total(arrays):
        return keras.ops.sum(kpar.training.token_loss(LABELS, arrays[0], 0.0, label_smoothing)[0])

    value, (gradient,) = value_and_gradient(total, [logits])
    wanted = by_hand(LABELS, reduced, 0.0, label_smoothing)[0].sum()
    assert value == pytest.approx(wanted, rel=1e-6)
    softmax = np.exp(reduced) / np.exp(reduced).sum(-1, keepdims=True)
    slope = (softmax - targets(LABELS, 9, label_smoothing)) * (LABELS > 0)[..., None]
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=2e-7)


def test_the_gradient_of_the_z_loss_is_that_of_log_z_squared():
    logits = LOGITS + np.float32(100)

    def total(arrays):
        return keras.ops.sum(kpar.training.token_loss(LABELS, arrays[0], 0.5)[1])

    _, (gradient,) = value_and_gradient(total, [logits])
    parts = np.exp(logits.astype("float64"))
    total_parts = parts.sum(-1, keepdims=True)
    wanted = np.log(total_parts) * parts / total_parts * (LABELS > 0)[..., None]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-5, atol=1e-5)


def test_impossible_tokens_do_not_spoil_the_others():
    logits = LOGITS.copy()
    logits[..., 3] = -np.inf

    def total(arrays):
        return kpar.training.PerceiverARLoss(0.1, "sum")(LABELS, arrays[0])

    value, (gradient,) = value_and_gradient(total, [logits])
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert (gradient[..., 3] == 0).all()


def test_labels_must_be_those_of_the_latents():
    with pytest.raises(ValueError, match=r"latent_labels.*y_true.shape=\(2, 7\)"):
        kpar.training.PerceiverARLoss()(np.ones((2, 7), "int32"), LOGITS)


def test_unknown_normalization():
    with pytest.raises(ValueError, match=r"`normalization` must be one of .*normalization='max'"):
        kpar.training.PerceiverARLoss(normalization="max")


def test_config_round_trip():
    loss = kpar.training.PerceiverARLoss(0.5, "sum", label_smoothing=0.2, name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again, kpar.training.PerceiverARLoss)
    assert again.get_config() == loss.get_config()
    assert float(again(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))


def test_one_sample_weight_a_row():
    labels, logits = np.ones((3, 4), "int32"), np.zeros((3, 4, 5), "float32")
    loss = kpar.training.PerceiverARLoss(0.0)(labels, logits, np.array([1.0, 2.0, 0.0]))
    assert float(loss) == pytest.approx(np.log(5))


def test_labels_are_not_rounded_where_floats_are_short():
    labels, logits = np.array([[259]]), np.zeros((1, 1, 300), "float32")
    logits[0, 0, 259] = 9.0
    wanted = float(kpar.training.PerceiverARLoss(0.0)(labels, logits))
    keras.config.set_floatx("bfloat16")
    try:
        assert float(kpar.training.PerceiverARLoss(0.0)(labels, logits)) == wanted
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("z_loss", ["x", -1.0, float("nan"), None])
def test_a_z_loss_that_is_none(z_loss):
    with pytest.raises(ValueError, match="`z_loss` must be a finite number"):
        kpar.training.PerceiverARLoss(z_loss)


@pytest.mark.parametrize("label_smoothing", ["x", -0.1, 1.0, float("nan"), None])
def test_a_label_smoothing_that_is_none(label_smoothing):
    with pytest.raises(ValueError, match="`label_smoothing` must be .* ≥ 0 and < 1"):
        kpar.training.PerceiverARLoss(label_smoothing=label_smoothing)
