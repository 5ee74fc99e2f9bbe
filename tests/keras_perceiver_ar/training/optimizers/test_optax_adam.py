import numpy as np
import pytest

from keras_perceiver_ar.training import OptaxAdam
from tests.keras_perceiver_ar.training.optimizers.formulas import gradients, trajectory


@pytest.mark.parametrize(("beta_1", "beta_2", "epsilon"), [(0.9, 0.999, 1e-8), (0.0, 0.9, 0.5)])
def test_algorithm_1_of_the_paper(beta_1, beta_2, epsilon):
    start, steps = np.ones((2, 3)), gradients((2, 3))
    value, mean, square = start, 0, 0
    found = trajectory(OptaxAdam(0.1, beta_1, beta_2, epsilon), start, steps)
    for step, (gradient, weights) in enumerate(zip(steps, found), 1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        root = np.sqrt(square / (1 - beta_2**step))
        value = value - 0.1 * mean / (1 - beta_1**step) / (root + epsilon)
        np.testing.assert_allclose(weights, value, rtol=1e-6)


def test_a_gradient_like_epsilon_takes_half_a_step_at_once():
    # With Keras' Adam it would be a thirtieth: its epsilon counts 1 / √0.001 times in step 1.
    (first,) = trajectory(OptaxAdam(1.0, epsilon=1e-4), np.zeros(1), [np.array([1e-4])])
    np.testing.assert_allclose(first, -0.5, rtol=1e-6)
