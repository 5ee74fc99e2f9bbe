import math

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from pipelines.experiment.row_sums import RowSums


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    backbone = kpar.models.PerceiverARBackbone(19, 12, 4, num_layers=1, width=16, num_heads=2)
    return kpar.models.PerceiverARCausalLM(backbone, zero_logits=False)


def make_batches(seed, number=2, rows=3):
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(number):
        ids = rng.integers(3, 19, (rows, 13)).astype("int32")
        ids[0, 8:] = 0
        batches.append(({"token_ids": ids[:, :-1]}, ids[:, 1:]))
    return batches


@pytest.mark.parametrize("num_latents", [None, 1, 8])
def test_sums_are_those_of_the_scores(model, num_latents):
    batches = make_batches(0)
    found = RowSums(model, num_latents).over(batches)
    size = num_latents or 4
    for number, (inputs, labels) in enumerate(batches):
        logits = keras.ops.convert_to_numpy(model(inputs, num_latents=num_latents))
        for row in range(3):
            length = np.count_nonzero(inputs["token_ids"][row])
            places = range(max(0, length - size), length)
            logs = logits[row].astype(np.float64)
            logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
            nats = hits = count = 0
            for place in places:
                target, log = labels[row, place], logs[size - length + place]
                if target:
                    nats, hits, count = (
                        nats - log[target],
                        hits + (log.argmax() == target),
                        count + 1,
                    )
            wanted = (nats, hits, count)
            np.testing.assert_allclose(found[3 * number + row], wanted, rtol=1e-5)


def test_a_model_of_all_inputs_counts_all_labels():
    model = kpar.models.DecoderTransformer(19, 12, num_layers=1, width=16, num_heads=2)
    batches = make_batches(1)
    found = RowSums(model).over(batches)
    labels = np.concatenate([labels for _, labels in batches])
    assert found[:, 2].tolist() == np.count_nonzero(labels, axis=1).tolist()
    # Its logits are 0 before it is trained.
    np.testing.assert_allclose(found[:, 0], found[:, 2] * math.log(19), rtol=1e-6)
