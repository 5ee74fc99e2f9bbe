import numpy as np
import pytest

from keras_perceiver_ar.training import OptaxAdam, OptaxLamb
from tests.keras_perceiver_ar.training.optimizers.formulas import gradients, trajectory


def test_a_step_is_as_long_as_the_variable_times_the_rate():
    value = np.array([[3.0, 0.0], [0.0, 4.0]])
    for weights in trajectory(OptaxLamb(0.1), value, gradients((2, 2))):
        length = np.linalg.norm(weights - value)
        assert length == pytest.approx(0.1 * np.linalg.norm(value), rel=1e-5)
        value = weights


def test_it_goes_where_adam_goes():
    start, steps = np.ones((2, 3)), gradients((2, 3), 1)
    ours, adam = (
        next(trajectory(cls(0.1, epsilon=1e-6), start, steps)) - start
        for cls in (OptaxLamb, OptaxAdam)
    )
    np.testing.assert_allclose(ours / np.linalg.norm(ours), adam / np.linalg.norm(adam), rtol=1e-5)


def test_zeros_take_adam_s_step():
    steps = gradients((2, 3), 1)
    first = [
        next(trajectory(cls(0.1, epsilon=1e-6), np.zeros((2, 3)), steps))
        for cls in (OptaxLamb, OptaxAdam)
    ]
    np.testing.assert_array_equal(*first)
    assert (first[0] != 0).all()
