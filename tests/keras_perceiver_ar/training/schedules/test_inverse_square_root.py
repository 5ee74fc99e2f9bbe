import numpy as np

from keras_perceiver_ar.training import InverseSquareRoot


def test_four_times_the_steps_halve_the_rate():
    schedule = InverseSquareRoot(1.0, 10)
    rates = [float(schedule(step)) for step in (10, 40, 160)]
    np.testing.assert_allclose(rates, [1, 0.5, 0.25], rtol=1e-6)


def test_no_warmup_starts_at_the_peak():
    schedule = InverseSquareRoot(1.0)
    rates = [float(schedule(step)) for step in (0, 3, 15)]
    np.testing.assert_allclose(rates, [1, 0.5, 0.25], rtol=1e-6)


def test_no_warmup_is_no_learning_in_the_original():
    assert [float(InverseSquareRoot(1.0, parity=True)(step)) for step in (0, 1, 99)] == [0, 0, 0]
