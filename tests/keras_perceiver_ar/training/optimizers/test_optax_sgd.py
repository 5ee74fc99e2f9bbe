import keras
import numpy as np

from keras_perceiver_ar.training import ConstantWithWarmup, OptaxSGD
from tests.keras_perceiver_ar.training.optimizers.formulas import trajectory

ONES = [np.ones(1)] * 3


def values(optimizer):
    return [float(weights[0]) for weights in trajectory(optimizer, np.zeros(1), ONES)]


def test_momentum_sums_up_gradients():
    np.testing.assert_allclose(values(OptaxSGD(1.0, 0.5, nesterov=False)), [-1, -2.5, -4.25])


def test_nesterov_looks_ahead():
    np.testing.assert_allclose(values(OptaxSGD(1.0, 0.5)), [-1.5, -3.25, -5.125])


def test_a_constant_rate_is_keras_sgd():
    for nesterov in (False, True):
        theirs = values(keras.optimizers.SGD(0.25, 0.5, nesterov=nesterov))
        np.testing.assert_allclose(values(OptaxSGD(0.25, 0.5, nesterov=nesterov)), theirs)


def test_the_rate_of_now_counts_for_gradients_of_the_past():
    rate = ConstantWithWarmup(1.0, warmup_steps=1)
    # The first gradient moves nothing at once; Keras would forget it.
    np.testing.assert_allclose(values(OptaxSGD(rate, 0.5, nesterov=False)), [0, -1.5, -3.25])
    np.testing.assert_allclose(values(keras.optimizers.SGD(rate, 0.5)), [0, -1, -2.5])
