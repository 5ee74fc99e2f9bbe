import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar

LOGITS = np.log(np.array([[[1, 1, 2], [1, 6, 1], [2, 1, 1]], [[1, 1, 2], [3, 4, 1], [1, 2, 1]]]))
LABELS = np.array([[2, 1, 0], [1, 2, 0]])  # probabilities ½, ¾, none, ¼, ⅛, none
BITS = [1, np.log2(4 / 3), 2, 3]


def result(metric, *updates):
    for update in updates:
        metric.update_state(*update)
    return float(metric.result())


def test_accuracy_of_the_labels_that_count():
    assert result(kpar.training.TokenAccuracy(), (LABELS, LOGITS)) == 0.5


def test_bits_of_the_labels_that_count():
    assert result(kpar.training.BitsPerToken(), (LABELS, LOGITS)) == pytest.approx(
        np.mean(BITS), rel=1e-6
    )


def test_a_batch_weighs_as_much_as_its_labels():
    first, second = (LABELS[:1], LOGITS[:1]), (LABELS[1:] * [1, 0, 0], LOGITS[1:])
    value = result(kpar.training.BitsPerToken(), first, second)
    assert value == pytest.approx(np.mean(BITS[:3]), rel=1e-6)


@pytest.mark.parametrize(
    "weights, spread",
    [
        ([3, 1], [3, 3, 1, 1]),
        ([[3, 1, 9], [0, 2, 9]], [3, 1, 0, 2]),
    ],
)
def test_sample_weights(weights, spread):
    value = result(kpar.training.BitsPerToken(), (LABELS, LOGITS, np.array(weights)))
    assert value == pytest.approx(np.average(BITS, weights=spread), rel=1e-6)
    value = result(kpar.training.TokenAccuracy(), (LABELS, LOGITS, np.array(weights)))
    assert value == pytest.approx(np.average([1, 1, 0, 0], weights=spread), rel=1e-6)


@pytest.mark.parametrize(
    "metric, name",
    [(kpar.training.TokenAccuracy, "accuracy"), (kpar.training.BitsPerToken, "bits_per_token")],
)
def test_no_labels_reset_and_config(metric, name):
    metric = metric()
    assert metric.name == name
    assert result(metric, (np.zeros_like(LABELS), LOGITS)) == 0
    assert result(metric, (LABELS, LOGITS)) > 0
    metric.reset_state()
    assert float(metric.result()) == 0
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_a_batch_of_more_latents_weighs_more():
    first, second = (LABELS[:1], LOGITS[:1]), (LABELS[1:, :1], LOGITS[1:, :1])
    value = result(kpar.training.BitsPerToken(), first, second)
    assert value == pytest.approx(np.mean(BITS[:3]), rel=1e-6)
