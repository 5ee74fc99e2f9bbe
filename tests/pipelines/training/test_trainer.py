"""A training step: against the original's numbers, in microbatches, with and without dropout."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from keras_perceiver_ar.randomness import fold_in
from pipelines.errors import UserError
from pipelines.settings import TrainSettings
from pipelines.training.trainer import Trainer
from tests.golden.cases import Case
from tests.golden.test_training import (
    FOLDER,
    STEPS,
    TOLERANCES,
    batches,
    check_weights,
    compared,
    make_optimizer,
)
from tests.keras_perceiver_ar.support import CONTEXT, random_ids, tiny_model


def make_trainer(model, optimizer, batch_size, **settings):
    step = tf.Variable(0, dtype=tf.int64)
    settings = TrainSettings(steps=99, batch_size=batch_size, **settings)
    return Trainer(model, optimizer, settings, tf.distribute.get_strategy(), step)


def train(trainer, rows):
    """Takes a step with each batch; returns what the trainer says of it."""
    inputs, labels = (
        tf.nest.map_structure(lambda *parts: np.stack(parts), *group) for group in zip(*rows)
    )
    trainer.train_dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
    return [
        {name: float(value) for name, value in trainer.train(tf.constant(1)).items()} for _ in rows
    ]


@functools.cache
def trained(name, num_microbatches):
    """The original's weights after a trajectory, and the log."""
    case = Case("a_abs_sinusoidal")
    model = kpar.convert.from_original(case.config, case.params)
    optimizer = make_optimizer(name)
    optimizer.global_clipnorm = None  # the trainer clips
    trainer = make_trainer(model, optimizer, 4, num_microbatches=num_microbatches)
    log = train(trainer, list(batches())[: STEPS[name]])
    return kpar.convert.to_original(model), log


@pytest.mark.parametrize(
    ("name", "num_microbatches"),
    [
        ("adam", 1),
        ("sgd", 1),
        ("lamb", 1),
        ("adafactor", 4),
        pytest.param("adam", 2, marks=pytest.mark.slow),
    ],
)
def test_the_original_s_weights_and_log(name, num_microbatches):
    weights, log = trained(name, num_microbatches)
    check_weights(weights, np.load(FOLDER / f"{name}_{STEPS[name]}_steps.npz"), TOLERANCES[name])
    wanted = json.loads((FOLDER / "logs.json").read_text())[name]
    log = {key: np.array([step[key] for step in log]) for key in log[0]}
    np.testing.assert_array_equal(log["labels"], wanted["labels"])
    total = (log["loss"] + log["z_loss"]) * log["labels"]
    np.testing.assert_allclose(total, wanted["total_loss"], rtol=1e-6)
    np.testing.assert_allclose(log["z_loss"] * log["labels"], wanted["z_loss"], rtol=1e-6)
    np.testing.assert_allclose(log["gradient_norm"], wanted["gradient_norm"], rtol=1e-6)
    np.testing.assert_allclose(log["learning_rate"], wanted["learning_rate"], rtol=1e-6)


def test_two_microbatches_are_one_batch():
    (one, _), (two, _) = (trained("sgd", count) for count in (1, 2))
    for name in compared(one):
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=2e-7, err_msg=name)


def test_two_microbatches_are_one_batch_to_adam_too():
    # 6e-7 is how far the original's two runs are apart. Adam makes steps of full size of gradients
    # that are nothing but rounding, and which way sums round depends on the processor: one weight
    # in a thousand may differ by as much as float32 does from float64 after these steps.
    (one, _), (two, _) = (trained("adam", count) for count in (1, 2))
    apart = [np.abs(two[name] - one[name]).ravel() for name in compared(one)]
    assert np.quantile(np.concatenate(apart), 0.999) <= 6e-7
    assert max(part.max() for part in apart) <= TOLERANCES["adam"]


@pytest.mark.slow
def test_the_mean_is_over_the_labels_of_all_microbatches():
    # Rows of 24, 5, 2 and 1 inputs, so that a mean of means would be another one.
    ids = random_ids(0, 4, CONTEXT)
    for row, length in zip(ids, (CONTEXT, 5, 2, 1)):
        row[length:] = 0
    batch = {"token_ids": ids}, np.where(ids > 0, 7, 0).astype("int32")
    results = []
    for count in (1, 4):
        model = tiny_model()
        settings = {"normalization": "mean", "clip_norm": None, "num_microbatches": count}
        log = train(make_trainer(model, keras.optimizers.SGD(0.5), 4, **settings), [batch])
        results.append(([weight.numpy() for weight in model.trainable_variables], log[0]))
    (one, log), (four, again) = results
    assert log["labels"] == again["labels"] == 4 + 4 + 2 + 1
    for name in log.keys() - {"input_wait"}:  # a share of time
        assert again[name] == pytest.approx(log[name], rel=1e-6), name
    for first, second in zip(one, four):
        np.testing.assert_allclose(second, first, rtol=0, atol=1e-6)


def test_label_smoothing_is_in_the_loss():
    ids = random_ids(1, 2, CONTEXT)
    batch = {"token_ids": ids}, ids[:, ::-1].copy()
    model = tiny_model()
    wanted = kpar.training.PerceiverARLoss(0.0, "mean", 0.2)(
        model.latent_labels(*batch), model(batch[0])
    )
    trainer = make_trainer(model, keras.optimizers.SGD(0.0), 2, z_loss=0.0, label_smoothing=0.2)
    assert train(trainer, [batch])[0]["loss"] == pytest.approx(float(wanted), rel=1e-6)


def test_every_microbatch_has_dropout_of_its_own():
    row = random_ids(2, 1, CONTEXT)
    seed = fold_in(tf.constant([5, 0]), 0)  # of seed 5, step 0, replica 0
    model = tiny_model(dropout=0.5)
    start = [weight.numpy() for weight in model.trainable_variables]

    def gradients(seed):
        labels = model.latent_labels({"token_ids": row}, row)
        with tf.GradientTape() as tape:
            logits = model({"token_ids": row}, training=True, seed=seed)
            loss = kpar.training.PerceiverARLoss(normalization="sum")(labels, logits)
        variables = [weight.value for weight in model.trainable_variables]
        return [tf.convert_to_tensor(part).numpy() for part in tape.gradient(loss, variables)]

    parts = [gradients(fold_in(seed, index)) for index in (0, 1)]
    assert np.abs(parts[0][0] - parts[1][0]).max() > 1e-3
    batch = {"token_ids": np.repeat(row, 2, 0)}, np.repeat(row, 2, 0)
    settings = {"seed": 5, "clip_norm": None, "num_microbatches": 2}
    train(make_trainer(model, keras.optimizers.SGD(1.0), 2, **settings), [batch])
    for weight, before, first, second in zip(model.trainable_variables, start, *parts):
        np.testing.assert_allclose(
            before - weight.numpy(), first + second, rtol=1e-4, atol=1e-4, err_msg=weight.path
        )


def test_the_learning_rate_of_a_loop_is_that_of_its_last_step():
    rate = kpar.training.ConstantWithWarmup(0.5, warmup_steps=5)
    ids = random_ids(3, 1, CONTEXT)
    trainer = make_trainer(tiny_model(), kpar.training.OptaxSGD(rate), 1)
    trainer.train_dataset = tf.data.Dataset.from_tensors(({"token_ids": ids}, ids)).repeat()
    rates = [float(trainer.train(tf.constant(steps))["learning_rate"]) for steps in (1, 3)]
    np.testing.assert_allclose(rates, [0.0, 0.3], rtol=1e-6)


def test_a_batch_that_does_not_divide_is_refused():
    message = r"batch_size is 6, which cannot be cut into .*num_microbatches = 4: .*multiple of 4"
    with pytest.raises(UserError, match=message):
        TrainSettings(steps=1, batch_size=6, num_microbatches=4)
    settings = TrainSettings(steps=1, batch_size=8, num_microbatches=4)
    settings.check_microbatches(num_replicas=2)
    message = r"is 8 \(2 rows for each of 4 replicas\), .*num_microbatches = 4: .*multiple of 16"
    with pytest.raises(UserError, match=message):
        settings.check_microbatches(num_replicas=4)


def test_every_step_of_a_loop_is_told_apart():
    task_rows = [(ids := random_ids(seed, 2, CONTEXT), {"token_ids": ids}) for seed in range(5)]
    data = [(inputs, ids) for ids, inputs in task_rows]
    one, many = (
        make_trainer(tiny_model(), keras.optimizers.SGD(0.5), 2, steps_per_loop=3) for _ in range(2)
    )
    single = []
    for batch in data:
        train(one, [batch])
        single.append({name: column[0] for name, column in one.steps.items()})
    inputs, labels = (
        tf.nest.map_structure(lambda *parts: np.stack(parts), *group) for group in zip(*data)
    )
    many.train_dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
    rows = []
    for steps in (3, 2):
        many.train(tf.constant(steps))
        rows += [dict(zip(many.steps, row)) for row in zip(*many.steps.values())]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows == single


def test_a_step_without_finite_gradients_changes_nothing_and_is_counted():
    ids = random_ids(4, 2, CONTEXT)
    model = tiny_model()
    trainer = make_trainer(model, kpar.training.OptaxAdam(0.1), 2)
    train(trainer, [({"token_ids": ids}, ids)])
    bias = next(v for v in model.trainable_variables if v.path.endswith("logits/bias"))
    value = bias.numpy()
    bias.assign(np.full_like(value, np.inf))
    before = [v.numpy() for v in (*model.trainable_variables, *trainer.optimizer.variables)]
    (log,) = train(trainer, [({"token_ids": ids}, ids)])
    after = [v.numpy() for v in (*model.trainable_variables, *trainer.optimizer.variables)]
    assert log["skipped"] == 1 and trainer.steps["skipped"].tolist() == [1]
    assert int(trainer.global_step) == 2
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(second, first)
    bias.assign(value)
    (log,) = train(trainer, [({"token_ids": ids}, ids)])
    assert log["skipped"] == 0 and np.isfinite(log["loss"])
