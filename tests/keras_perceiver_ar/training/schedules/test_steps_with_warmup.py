import numpy as np
import pytest

from keras_perceiver_ar.training import StepsWithWarmup


@pytest.mark.parametrize(("parity", "moved"), [(False, 0), (True, 4)])
def test_the_rate_falls_at_shares_of_the_training(parity, moved):
    schedule = StepsWithWarmup(1.0, 20, 4, boundaries=(0.5, 0.75), decay_rate=0.1, parity=parity)
    steps = np.array([4, 9, 10, 14, 15, 20]) + np.array([0, 1, 1, 1, 1, 1]) * moved
    rates = [float(schedule(step)) for step in steps]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)


def test_no_boundaries_no_fall():
    assert float(StepsWithWarmup(1.0, 20, boundaries=())(10**6)) == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundaries": (0.8, 0.5)}, r"`boundaries` must be .* ascending .*\[0.8, 0.5\]"),
        ({"boundaries": (0.5, 1.5)}, r"in \(0, 1\].*1.5"),
        ({"boundaries": (0.0,)}, r"in \(0, 1\].*0.0"),
        ({"boundaries": ("half",)}, r"`boundaries\[0\]` must be .*'half'"),
        ({"decay_rate": 0.0}, "`decay_rate` must be a finite number > 0"),
        (
            {"warmup_steps": 11},
            "must come after the warm-up.*warmup_steps=11",
        ),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        StepsWithWarmup(**{"learning_rate": 0.1, "training_steps": 20, **options})
