"""A step of an optimizer is that of Keras, or none at all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.training.update import GuardedUpdate

OPTIMIZERS = {
    "adam": lambda **kwargs: keras.optimizers.Adam(0.1, amsgrad=True, **kwargs),
    "adamw": lambda **kwargs: keras.optimizers.AdamW(0.1, **kwargs),
    "adafactor": lambda **kwargs: keras.optimizers.Adafactor(0.1, **kwargs),
    "lamb": lambda **kwargs: keras.optimizers.Lamb(0.1, **kwargs),
    "sgd": lambda **kwargs: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, **kwargs),
    "optax_adam": lambda **kwargs: kpar.training.OptaxAdam(0.1, **kwargs),
    "optax_adafactor": lambda **kwargs: kpar.training.OptaxAdafactor(0.1, **kwargs),
    "optax_lamb": lambda **kwargs: kpar.training.OptaxLamb(0.1, **kwargs),
    "optax_sgd": lambda **kwargs: kpar.training.OptaxSGD(0.1, **kwargs),
    "sm3": lambda **kwargs: kpar.training.SM3(0.1, **kwargs),
}
SHAPES = ((3, 4), (5,))


def make(name, **kwargs):
    """Variables and a function that takes a step with gradients of a seed."""
    generator = np.random.default_rng(0)
    variables = [keras.Variable(generator.normal(size=shape).astype("f")) for shape in SHAPES]
    optimizer = OPTIMIZERS[name](**kwargs)
    optimizer.build(variables)
    return variables, optimizer


def gradients(seed):
    generator = np.random.default_rng(seed)
    return [tf.constant(generator.normal(size=shape).astype("f")) for shape in SHAPES]


def state(variables, optimizer):
    return [variable.numpy() for variable in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("kwargs", [{}, {"weight_decay": 0.01, "use_ema": True}], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_that_is_left_out_has_not_been(name, kwargs):
    variables, plain = make(name, **kwargs)
    for seed in (1, 2):
        plain.apply(gradients(seed))
    wanted = state(variables, plain)

    variables, optimizer = make(name, **kwargs)
    update = tf.function(GuardedUpdate(optimizer), autograph=False)
    update(gradients(1), True)
    before = state(variables, optimizer)
    update([gradient * np.nan for gradient in gradients(3)], False)
    is_average = ["average" in v.path for v in (*variables, *optimizer.variables)]
    for first, second, average in zip(before, state(variables, optimizer), is_average):
        if not average:
            np.testing.assert_array_equal(second, first)
    update(gradients(2), True)
    for expected, actual, average in zip(wanted, state(variables, optimizer), is_average):
        assert np.isfinite(actual).all()
        if not average:
            np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=1e-7)
