"""The programs that are compiled for TPUs do what training, evaluation and generation do."""

import numpy as np
import pytest
import tensorflow as tf

from keras_perceiver_ar.masks import StepMask
from keras_perceiver_ar.training import OptaxAdafactor, OptaxAdam
from pipelines.compile_tpu import programs
from pipelines.settings import TrainSettings
from pipelines.training.evaluator import Evaluator
from pipelines.training.trainer import Trainer
from tests.keras_perceiver_ar.support import CONTEXT, random_ids, tiny_model

ROWS = 4


@pytest.fixture(autouse=True)
def one_replica(monkeypatch):
    """CPUs have no kernel of the sum over a TPU's replicas."""
    monkeypatch.setattr(tf.raw_ops, "CrossReplicaSum", lambda input, group_assignment: input)


def batch(seed=0):
    ids = random_ids(seed, ROWS, CONTEXT)
    ids[1, 7:] = 0
    return {"token_ids": ids}, np.where(ids > 0, random_ids(seed + 1, ROWS, CONTEXT), 0)


def numbers(variables):
    return [np.asarray(variable) for variable in variables]


def train(make_optimizer, batches, **settings):
    """Weights and the optimizer's variables after steps of `Trainer`."""
    model, optimizer = tiny_model(dropout=0.5), make_optimizer()
    settings = TrainSettings(steps=9, batch_size=ROWS, **settings)
    settings.prepare(optimizer, model.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64)
    trainer = Trainer(model, optimizer, settings, tf.distribute.get_strategy(), step)
    parts = [tf.nest.map_structure(lambda *rows: np.stack(rows), *part) for part in zip(*batches)]
    trainer.train_dataset = tf.data.Dataset.from_tensor_slices(tuple(parts))
    trainer.train(tf.constant(len(batches)))
    return numbers(model.trainable_variables), numbers(optimizer.variables)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_optimizer", "settings"),
    [
        (OptaxAdam, {"ema_decay": 0.5}),
        (OptaxAdafactor, {"num_microbatches": 2, "normalization": "mean"}),
    ],
)
def test_a_step_is_the_trainer_s_dropout_and_all(make_optimizer, settings):
    rows = [batch(0), batch(1)]
    weights, slots = train(lambda: make_optimizer(0.1), rows, **settings)
    model, optimizer = tiny_model(dropout=0.5), make_optimizer(0.1)
    settings = TrainSettings(steps=9, batch_size=ROWS, **settings)
    program = programs.TrainProgram(model, ROWS, settings, optimizer, 1)
    function = tf.function(program, autograph=False)
    values = [*model.trainable_variables, *model.non_trainable_variables]
    state = [tf.convert_to_tensor(value) for value in values]
    averages = optimizer._model_variables_moving_average if optimizer.use_ema else ()
    first = {id(average): weight for average, weight in zip(averages, values)}
    first[id(optimizer._learning_rate)] = 0.1
    state += [
        tf.broadcast_to(tf.cast(first.get(id(slot), 0), slot.dtype), slot.shape)
        for slot in optimizer.variables
    ]
    for number, (inputs, labels) in enumerate(rows):
        arguments = (inputs["token_ids"], labels, np.int64(number), np.int32(0))
        *state, _ = function(*state, *arguments)
    for got, wanted in zip(state[: len(weights)], weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6)
    for got, wanted in zip(state[-len(slots) :], slots, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)


def test_a_step_that_is_no_number_changes_nothing():
    model, optimizer = tiny_model(), OptaxAdam(0.1)
    program = programs.TrainProgram(
        model, ROWS, TrainSettings(steps=9, batch_size=ROWS), optimizer, 1
    )
    values = [*model.trainable_variables, *model.non_trainable_variables]
    state = [tf.convert_to_tensor(value) for value in values]
    state[0] = tf.fill(state[0].shape, float("nan"))
    state += [tf.ones(spec.shape, spec.dtype) for spec in program.state[len(state) :]]
    inputs, labels = batch()
    *after, numbers_of_step = program(*state, inputs["token_ids"], labels, np.int64(3), np.int32(0))
    assert numbers_of_step[-1] == 0.0
    for got, wanted in zip(after, state, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_an_evaluation_is_the_evaluator_s():
    model, (inputs, labels) = tiny_model(), batch()
    evaluator = Evaluator(model, None, "", None, tf.distribute.get_strategy(), None, None, None)
    evaluator._replica_step(tf.nest.map_structure(tf.constant, inputs), tf.constant(labels))
    wanted = evaluator._sums.read()
    program = programs.EvaluateProgram(model, ROWS)
    before = [tf.constant(1.0, tf.float64) for _ in program.state]
    got = program(*before, *numbers(program.variables), inputs["token_ids"], labels)
    got = tf.nest.pack_sequence_as(program.sums, got)
    for name, total in got.items():
        np.testing.assert_allclose(total, 1.0 + wanted[name], rtol=1e-6)


def test_a_generation_is_the_model_s():
    model, (inputs, _) = tiny_model(), batch()
    lengths = np.array([5, 7, 1, CONTEXT - 2], "int32")
    inputs["token_ids"][np.arange(CONTEXT) >= lengths[:, None]] = 0
    wanted = model.generate({**inputs, "lengths": lengths}, 2, "temperature", seed=3)
    program = programs.DecodeProgram(model, ROWS)
    arguments = {
        "token_ids": inputs["token_ids"],
        "lengths": lengths,
        "max_new_tokens": np.full(ROWS, 2, "int32"),
        "sampling": {name: np.ones(ROWS, "float32") for name in ("temperature", "top_p")},
        "seeds": np.arange(3, 3 + ROWS, dtype="int32"),
    }
    weights, _ = program.rest
    got = tf.nest.pack_sequence_as(
        {"lengths": 0, "log_probs": 0, "token_ids": 0},
        program(*numbers(program.variables), *tf.nest.flatten(arguments)),
    )
    assert len(weights) == len(program.variables)
    np.testing.assert_array_equal(got["lengths"], wanted["lengths"])
    np.testing.assert_array_equal(got["token_ids"], wanted["token_ids"][:, :CONTEXT])


def test_masks_are_worked_out_at_run_time():
    # As constants, one for each block, they took the compiler of 60 blocks more than 20 GB.
    def mask(steps):
        return StepMask(steps, steps, diagonal=True).dense()

    function = tf.function(mask, jit_compile=True, autograph=False)
    lower = function.experimental_get_compiler_ir(tf.TensorSpec((2, 512), tf.int32))
    assert len(lower(stage="hlo_serialized")) < 512 * 512 / 10
