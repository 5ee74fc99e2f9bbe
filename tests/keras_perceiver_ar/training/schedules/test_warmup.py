import keras
import numpy as np
import pytest

from keras_perceiver_ar.training import (
    ConstantWithWarmup,
    CosineWithWarmup,
    InverseSquareRoot,
    StepsWithWarmup,
)
from tests.keras_perceiver_ar.support import to_numpy

SCHEDULES = [
    ConstantWithWarmup(0.5, 4, 0.1),
    CosineWithWarmup(0.5, 10, 4, 0.1, end_learning_rate=0.2, parity=True),
    StepsWithWarmup(0.5, 10, 4, 0.1, boundaries=(0.5, 0.75), decay_rate=0.3, parity=True),
    InverseSquareRoot(0.5, 4, 0.1, parity=True),
]


def name(schedule):
    return type(schedule).__name__


def rates(schedule, steps):
    return [float(to_numpy(schedule(step))) for step in steps]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_the_warmup_is_a_line_to_the_peak(schedule):
    np.testing.assert_allclose(rates(schedule, range(5)), [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_the_rate_is_a_float32_scalar_whatever_counts_the_steps(schedule):
    for step in (7, np.int64(7), keras.ops.convert_to_tensor(7), keras.Variable(7, dtype="int32")):
        rate = schedule(step)
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        assert tuple(rate.shape) == () and float(rate) == float(schedule(7))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_config_round_trip(schedule):
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert rates(again, range(20)) == rates(schedule, range(20))


def test_a_constant_rate_stays():
    assert rates(ConstantWithWarmup(0.5, 4), [4, 5, 10**6]) == [0.5] * 3
    assert rates(ConstantWithWarmup(0.5), [0, 1]) == [0.5] * 2


def test_no_warmup_knows_no_first_rate():
    assert float(ConstantWithWarmup(0.5, 0, initial_learning_rate=0.1)(0)) == 0.5


def test_a_bfloat16_default_does_not_round_the_rate():
    keras.config.set_floatx("bfloat16")
    try:
        rate = float(CosineWithWarmup(3e-4, 1000)(999))
    finally:
        keras.config.set_floatx("float32")
    assert rate == float(CosineWithWarmup(3e-4, 1000)(999))


@pytest.mark.parametrize("cls", [ConstantWithWarmup, InverseSquareRoot])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1.0}, "`learning_rate` must be a finite number ≥ 0.*-1.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be a finite number"),
        ({"learning_rate": "fast"}, "`learning_rate` must be .*'fast'"),
        ({"learning_rate": True}, "`learning_rate` must be .*True"),
        ({"warmup_steps": -1}, "`warmup_steps` must be an integer ≥ 0.*-1"),
        ({"warmup_steps": 1.5}, "`warmup_steps` must be an integer.*1.5"),
        ({"initial_learning_rate": float("inf")}, "`initial_learning_rate` must be a finite"),
    ],
)
def test_numbers_that_make_no_sense(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**{"learning_rate": 0.1, **options})
