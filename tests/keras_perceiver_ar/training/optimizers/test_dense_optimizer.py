"""What holds for every optimizer of the folder."""

import keras
import numpy as np
import pytest

from keras_perceiver_ar import training
from tests.keras_perceiver_ar.support import BACKEND, JIT, VOCAB, random_ids, tiny_model, to_numpy

CLASSES = [
    training.OptaxAdam,
    training.OptaxLamb,
    training.OptaxAdafactor,
    training.OptaxSGD,
    training.SM3,
]
# Small enough that Adafactor keeps means of rows and columns as well.
FACTORED = {training.OptaxAdafactor: {"min_size_to_factor": 8}}


def make(cls, **options):
    return cls(**{"learning_rate": 0.01, **FACTORED.get(cls, {}), **options})


def values(variables):
    return [to_numpy(variable) for variable in variables]


def compiled_model(optimizer):
    model = keras.Sequential([keras.layers.Embedding(VOCAB, 12), keras.layers.Dense(VOCAB)])
    model.compile(optimizer, loss=training.PerceiverARLoss(), jit_compile=JIT)
    return model


@pytest.fixture(scope="module")
def data():
    ids = random_ids(0, 8, 10)
    return ids, (ids + 1) % VOCAB  # of which some are 0


@pytest.mark.parametrize("cls", CLASSES)
def test_fit_learns_and_a_saved_state_goes_on(cls, data, tmp_path):
    inputs, labels = data
    model = compiled_model(make(cls, global_clipnorm=1.0))
    losses = model.fit(inputs, labels, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is cls
    for old, new in zip(values(model.optimizer.variables), values(again.optimizer.variables)):
        np.testing.assert_array_equal(new, old)
    for each in (model, again):
        each.fit(inputs, labels, batch_size=8, shuffle=False, verbose=0)
    for old, new in zip(values(model.weights), values(again.weights)):
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cls", CLASSES)
def test_config_round_trip(cls):
    schedule = training.CosineWithWarmup(0.1, 100, 10)
    optimizer = cls(schedule, weight_decay=0.1, global_clipnorm=0.5, name="mine")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is cls
    assert again.get_config() == optimizer.get_config()
    assert cls().get_config().keys() == again.get_config().keys()


@pytest.mark.parametrize("cls", CLASSES)
def test_the_states_have_names_of_their_own(cls):
    optimizer = make(cls)
    optimizer.build(tiny_model().trainable_variables)
    paths = [variable.path for variable in optimizer.variables]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("cls", CLASSES)
def test_weight_decay_is_keras_own(cls):
    start, decay, rate = np.array([[4.0, -8.0]]), 0.5, 0.25
    variable = keras.Variable(start)
    optimizer = make(cls, learning_rate=rate, weight_decay=decay)
    optimizer.apply([keras.ops.zeros((1, 2))], [variable])
    np.testing.assert_allclose(to_numpy(variable), start * (1 - rate * decay), rtol=1e-6)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_schedule_counts_from_0(cls):
    variable = keras.Variable(np.ones((1, 2)))
    optimizer = make(cls, learning_rate=training.ConstantWithWarmup(0.5, 2))
    rows = []
    for _ in range(2):
        optimizer.apply([keras.ops.ones((1, 2))], [variable])
        rows.append(to_numpy(variable).copy())
    assert (rows[0] == 1).all() and (rows[1] < 1).all()


@pytest.mark.parametrize("cls", CLASSES)
def test_nothing_moves_without_gradients(cls):
    start = np.array([[1.0, 0.0], [0.0, 2.0]])
    variable = keras.Variable(start)
    optimizer = make(cls)
    for _ in range(3):
        optimizer.apply([keras.ops.zeros((2, 2))], [variable])
    np.testing.assert_array_equal(to_numpy(variable), start)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has sparse gradients")
@pytest.mark.parametrize("cls", CLASSES)
def test_a_token_that_occurs_twice_counts_with_the_sum_of_its_gradients(cls):
    import tensorflow as tf

    indices, rows = [2, 0, 2], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "float32")
    dense = np.zeros((4, 2), "float32")
    np.add.at(dense, indices, rows)
    results = []
    for gradient in (tf.IndexedSlices(tf.constant(rows), tf.constant(indices), (4, 2)), dense):
        variable = keras.Variable(np.ones((4, 2)))
        optimizer = make(cls, global_clipnorm=1.0)
        optimizer.apply(
            [tf.convert_to_tensor(gradient) if gradient is dense else gradient], [variable]
        )
        results.append(to_numpy(variable))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (training.OptaxAdam, {"beta_1": 1.0}, "`beta_1` must be .* ≥ 0 and < 1.*1.0"),
        (training.OptaxAdam, {"beta_2": -0.1}, "`beta_2` must be .*-0.1"),
        (training.OptaxLamb, {"epsilon": -1e-6}, "`epsilon` must be .* ≥ 0.*-1e-06"),
        (training.OptaxSGD, {"momentum": 1}, "`momentum` must be .*1"),
        (training.OptaxSGD, {"nesterov": "yes"}, "`nesterov` must be True or False.*'yes'"),
        (training.SM3, {"momentum": "a lot"}, "`momentum` must be .*'a lot'"),
        (training.OptaxAdafactor, {"decay_exponent": 0.0}, "`decay_exponent` must be .* > 0"),
        (training.OptaxAdafactor, {"min_size_to_factor": 0}, "`min_size_to_factor` must be an int"),
        (training.OptaxAdafactor, {"clip_threshold": 0.0}, "`clip_threshold` must be .* > 0"),
        (training.OptaxAdafactor, {"scale_by_variable": 1}, "`scale_by_variable` must be True or"),
    ],
)
def test_settings_that_make_no_sense(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)
