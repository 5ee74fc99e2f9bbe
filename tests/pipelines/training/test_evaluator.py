"""An evaluation of a few documents, against the same counted target by target."""

import collections

import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.data import BooksTask, InputFnTask
from pipelines.data.windows import block_windows
from pipelines.evaluation.interval import ratio_interval
from pipelines.evaluation.settings import Settings
from pipelines.training.evaluation import make_evaluator

CONTEXT, LATENTS = 32, 16
SIZES = (700, 5, 1300, 40)  # of documents, in bytes


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder, generator = tmp_path_factory.mktemp("books"), np.random.default_rng(0)
    (folder / "test").mkdir()
    for number, size in enumerate(SIZES):
        letters = generator.choice(list(b"abcde "), size).astype("uint8")
        (folder / "test" / f"{number}.txt").write_bytes(letters.tobytes()[:-1] + b".")
    return BooksTask(folder)


@pytest.fixture(scope="module")
def model():
    backbone = kpar.models.PerceiverARBackbone(
        259, CONTEXT, LATENTS, num_layers=1, width=16, num_heads=2
    )
    model = kpar.models.PerceiverARCausalLM(backbone)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.0, 0.3, variable.shape))
    return model


def evaluator_of(model, task, settings, batch_size=5, **options):
    strategy = tf.distribute.get_strategy()
    return make_evaluator(model, task, "test", batch_size, strategy, settings=settings, **options)


def by_target(model, task, settings):
    """(document, place in it, latent of its row, nats, is right) of every target."""
    events = [[2] for _ in SIZES]  # SOS
    number = 0
    for _, labels in task.evaluation_dataset("test", CONTEXT, 64, 1):
        for target in labels.numpy()[labels.numpy() > 0]:
            events[number].append(int(target))
            number += target == 1  # EOS
    found = []
    num_latents, context, stride = settings
    score = tf.function(lambda ids: model({"token_ids": ids}, num_latents=num_latents))
    windows = block_windows([len(e) for e in events], context, stride)
    for document, start, length, scored in zip(*windows):
        ids = np.zeros((1, context), "int32")
        ids[0, :length] = events[document][start : start + length]
        log_probs = tf.nn.log_softmax(tf.cast(score(tf.constant(ids))[0], tf.float64)).numpy()
        for back in range(scored, 0, -1):
            place = start + length - back
            target = events[document][place + 1]
            row = log_probs[num_latents - back]
            latent = min(num_latents, length) - back
            found.append((document, place, latent, -row[target], row.argmax() == target))
    return found


@pytest.mark.parametrize("settings", [(16, 32, 16), (16, 32, 5), (8, 12, 8)])
def test_every_figure_is_that_of_the_targets(model, task, settings):
    settings = Settings(*settings)
    targets = by_target(model, task, settings)
    found = evaluator_of(model, task, settings).evaluate(tf.constant(-1))
    documents, places, latents, nats, _ = map(np.array, zip(*targets))
    assert found["targets"] == len(targets) == sum(SIZES) + len(SIZES)
    assert found["loss"] == pytest.approx(nats.mean(), rel=1e-6)
    assert found["documents"] == len(SIZES)
    of_documents = [nats[documents == number].sum() / np.log(2) for number in range(len(SIZES))]
    assert found["ci95"] == pytest.approx(ratio_interval(of_documents, SIZES), rel=1e-6)
    assert found["ci95_of"] == "bits_per_byte"
    for name, numbers, first in (("position", places, 512), ("latent", latents, 1)):
        wanted = collections.defaultdict(list)
        for number, value in zip(numbers, nats):
            begin = 0 if number < first else first * 2 ** int(np.log2(number // first))
            wanted[begin].append(value)
        rows = found[f"loss_by_{name}"]
        assert [row["from"] for row in rows] == sorted(wanted)
        for row in rows:
            values = wanted[row["from"]]
            assert row["targets"] == len(values)
            assert row["loss"] == pytest.approx(np.mean(values), rel=1e-6)
    assert found["loss_by_latent"][-1]["to"] == settings.num_latents
    assert [row["to"] for row in found["loss_by_position"]] == [512, 1024, 2048]


def test_an_evaluation_begins_anew(model, task):
    evaluator = evaluator_of(model, task, Settings(16, 32, 16))
    first, again = (evaluator.evaluate(tf.constant(-1)) for _ in range(2))
    assert first == again
    assert evaluator.targets_per_second > 0


def test_batches_of_any_size_give_the_same(model, task):
    settings = Settings(16, 32, 16)
    found = [
        evaluator_of(model, task, settings, size).evaluate(tf.constant(-1)) for size in (1, 64)
    ]
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-6)
    assert found[0]["ci95"] == pytest.approx(found[1]["ci95"], rel=1e-5)
    counts = [[row["targets"] for row in each["loss_by_position"]] for each in found]
    assert counts[0] == counts[1]


def test_one_batch_alone_is_not_timed(model, task):
    evaluator = evaluator_of(model, task, Settings(16, 32, 16), num_batches=1)
    found = evaluator.evaluate(tf.constant(-1))
    assert evaluator.targets_per_second is None
    assert found["batches"] == 1 and found["documents"] == 1 and found["ci95"] is None


def test_a_training_asks_for_no_more_than_it_did(model, task):
    found = evaluator_of(model, task, None).evaluate(tf.constant(-1))
    assert list(found) == ["bits_per_byte", "word_perplexity", "loss", "targets"]


def test_rows_that_do_not_say_where_they_are_from(model):
    ids = np.random.default_rng(0).integers(3, 259, (8, CONTEXT + 1), "int32")

    def input_fn(params):
        rows = tf.data.Dataset.from_tensor_slices(({"token_ids": ids[:, :-1]}, ids[:, 1:]))
        return rows.batch(params["batch_size"], drop_remainder=True)

    mine = InputFnTask(259, input_fn, input_fn)
    found = evaluator_of(model, mine, Settings(16, 32, 16), 4).evaluate(tf.constant(-1))
    assert found["ci95"] is found["documents"] is found["loss_by_position"] is None
    assert sum(row["targets"] for row in found["loss_by_latent"]) == found["targets"] == 8 * 16
