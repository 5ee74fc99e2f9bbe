"""Evaluation of one document as the original does it: in blocks, and at every position.

The original's run over its blocks of four targets is in `v_block_eval`, logits and sums: six
latents, so that a row is scored by its last four alone. There is none of every position here; what
the last latent of each of its rows says comes from the NumPy forward, in float64.

Its rows carry the positions of the document, where ours count from 1: `start` tells them.
"""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.data import BooksTask
from pipelines.data.windows import block_windows
from pipelines.evaluation.settings import Settings
from pipelines.training.evaluation import make_evaluator
from tests.golden import numpy_forward
from tests.golden.cases import HERE
from tests.golden.test_windows import EVENTS, TEXT
from tests.keras_perceiver_ar.support import BACKEND

pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="the pipelines are TensorFlow")

FOLDER = HERE / "v_block_eval"
CONFIG = json.loads((FOLDER / "config.json").read_text())
PARAMS = dict(np.load(FOLDER / "params.npz"))
BATCHES = np.load(FOLDER / "batches.npz")
CONTEXT, LATENTS, BLOCK = 8, 6, 4
# Of float32 logits of up to 10; the original's own float64 is 1.2e-5 away at most.
LOGITS = 2e-5


class PlacedText(BooksTask):
    """Text whose rows carry the positions that their inputs have in the document, from 1."""

    def evaluation_dataset(self, *args, **options):
        def add_positions(inputs, labels):
            place = inputs["start"][:, None] + tf.range(1, CONTEXT + 1)
            positions = tf.where(inputs["token_ids"] > 0, place, 0)
            return {**inputs, "positions": positions}, labels

        return super().evaluation_dataset(*args, **options).map(add_positions)


@pytest.fixture(scope="module")
def model():
    return kpar.convert.from_original(CONFIG, PARAMS)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    (folder / "test").mkdir()
    (folder / "test" / "0.txt").write_text(TEXT)
    return PlacedText(folder)


def evaluate(model, task, stride, batch_size=2):
    settings = Settings.of(model.backbone, LATENTS, CONTEXT, stride)
    strategy = tf.distribute.get_strategy()
    evaluator = make_evaluator(model, task, "test", batch_size, strategy, settings=settings)
    return evaluator.evaluate(tf.constant(-1))


def scored(stride):
    """Nats and hits of each target of the document, by the NumPy forward."""
    found = []
    for _, start, length, number in zip(*block_windows(EVENTS.size, CONTEXT, stride)):
        ids, positions = np.zeros((2, 1, CONTEXT), int)
        ids[0, :length] = EVENTS[start : start + length]
        positions[0, :length] = np.arange(start, start + length) + 1
        logits = numpy_forward.forward(CONFIG, PARAMS, ids, positions)["logits"][0, -number:]
        targets = EVENTS[start + length - number + 1 : start + length + 1]
        log_z = np.log(np.exp(logits).sum(-1))
        nats = log_z - logits[np.arange(number), targets]
        found += zip(nats.tolist(), (logits.argmax(-1) == targets).tolist(), strict=True)
    return np.array(found, float).T


def test_logits_of_the_blocks_are_the_original_s(model, task):
    rows = task.evaluation_dataset("test", CONTEXT, 2, LATENTS, stride=BLOCK, places=True)
    for number, (inputs, labels) in enumerate(rows):
        names = ("token_ids", "positions")
        logits = model({name: inputs[name] for name in names}).numpy()
        steps = BATCHES[f"batch{number}/latent_last_steps"]
        wanted = BATCHES[f"batch{number}/logits"][steps >= 0]
        np.testing.assert_allclose(logits[steps >= 0], wanted, rtol=0, atol=LOGITS)
        counted = np.count_nonzero(labels)
        assert counted == CONFIG["per_batch"][number]["eval_num_examples"]
    assert number == 1


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_block_evaluation_is_the_original_s(model, task, batch_size):
    found, wanted = evaluate(model, task, BLOCK, batch_size), CONFIG["totals"]
    assert found["targets"] == wanted["eval_num_examples"] == EVENTS.size - 1
    assert found["loss"] == pytest.approx(CONFIG["eval_loss_mean"], rel=1e-6)
    assert found["loss"] * found["targets"] == pytest.approx(wanted["eval_loss"], rel=1e-6)
    bits = found["bits_per_byte"] * len(TEXT) / found["targets"]  # of a target
    assert bits == pytest.approx(CONFIG["eval_loss_bits"], rel=1e-6)
    (bucket,) = found["loss_by_position"]
    assert (bucket["from"], bucket["to"]) == (0, 512)
    assert bucket["targets"] == wanted["eval_sequence_0_512_num_examples"]
    total = bucket["loss"] * bucket["targets"]
    assert total == pytest.approx(wanted["eval_sequence_0_512_loss"], rel=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 6])
def test_every_stride_is_that_of_the_plain_forward(model, task, stride):
    nats, _ = scored(stride)
    found = evaluate(model, task, stride)
    assert found["targets"] == nats.size == EVENTS.size - 1
    assert found["loss"] == pytest.approx(nats.mean(), rel=1e-6)
    words = nats.sum()  # of one word
    assert found["word_perplexity"] == pytest.approx(math.exp(words), rel=1e-6 * words)


def test_strides_differ(model, task):
    # Else the tests above could not tell one from another.
    assert len({round(evaluate(model, task, stride)["loss"], 3) for stride in (1, 4, 6)}) == 3


def test_the_figures_are_the_files_beside_the_clone(shared):
    for path in FOLDER.iterdir():
        assert path.read_bytes() == (shared / "golden" / FOLDER.name / path.name).read_bytes()
