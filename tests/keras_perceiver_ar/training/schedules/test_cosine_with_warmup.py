import numpy as np
import pytest

from keras_perceiver_ar.training import CosineWithWarmup


def test_the_decay_ends_with_training():
    schedule = CosineWithWarmup(1.0, 12, 4, end_learning_rate=0.2)
    rates = [float(schedule(step)) for step in (4, 6, 8, 10, 12, 100)]
    fall = (1 - np.cos(np.pi * np.array([0, 0.25, 0.5, 0.75, 1, 1]))) / 2
    np.testing.assert_allclose(rates, 1 - 0.8 * fall, rtol=1e-6)


def test_the_peak_may_last():
    schedule = CosineWithWarmup(1.0, 20, 4, decay_steps=8)
    rates = [float(schedule(step)) for step in (2, 4, 11, 12, 14, 16, 20, 21)]
    wanted = [0.5, 1, 1, 1, (1 + np.sqrt(0.5)) / 2, 0.5, 0, 0]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6, atol=1e-7)
    whole = CosineWithWarmup(1.0, 20, 4, decay_steps=16)
    assert [float(whole(n)) for n in range(22)] == [
        float(CosineWithWarmup(1.0, 20, 4)(n)) for n in range(22)
    ]


def test_the_original_s_ends_as_many_steps_later_as_the_warmup_takes():
    schedule = CosineWithWarmup(1.0, 12, 4, parity=True)
    rates = [float(schedule(step)) for step in (4, 10, 12, 16)]
    fall = (1 - np.cos(np.pi * np.array([0, 6, 8, 12]) / 12)) / 2
    np.testing.assert_allclose(rates, 1 - fall, rtol=1e-6, atol=1e-7)
    assert rates[2] > 0.2 and rates[3] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_steps": 10}, "less than `training_steps`.*warmup_steps=10, training_steps=10"),
        ({"training_steps": 0}, "`training_steps` must be an integer ≥ 1.*0"),
        ({"end_learning_rate": -0.1}, "`end_learning_rate` must be a finite number ≥ 0.*-0.1"),
        ({"decay_steps": 0}, "`decay_steps` must be an integer ≥ 1.*0"),
        ({"decay_steps": 9, "warmup_steps": 2}, "`decay_steps` must be at most 8.*=9"),
        ({"decay_steps": 5, "parity": True}, "not go with `parity`.*parity=True"),
        ({"parity": 1}, "`parity` must be True or False.*1"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        CosineWithWarmup(**{"learning_rate": 0.1, "training_steps": 10, **options})


def test_a_warmup_longer_than_training_is_the_original_s_to_have():
    assert float(CosineWithWarmup(1.0, 10, 20, parity=True)(20)) == 1.0
