"""Runs an optimizer on one variable, and gradients to run it on."""

import keras
import numpy as np

from tests.keras_perceiver_ar.support import to_numpy

RANDOM = np.random.default_rng(0)


def gradients(shape, steps=4):
    return [RANDOM.normal(size=shape) for _ in range(steps)]


def trajectory(optimizer, start, gradients):
    """The values of a variable after each gradient."""
    variable = keras.Variable(start, dtype="float32")
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        yield to_numpy(variable).copy()
