"""Evaluation with the average of the weights over steps."""

import contextlib

import tensorflow as tf

from pipelines.checkpoints.weights import pairs_of_averages


@contextlib.contextmanager
def averaged(model, optimizer):
    """A model whose weights are their averages within, where the optimizer keeps some.

    Args:
        model: Keras model.
        optimizer: Keras optimizer that trains it.
    """
    pairs = pairs_of_averages(model, optimizer)
    _swap(pairs)
    try:
        yield
    finally:
        _swap(pairs)


def _swap(pairs):
    for weight, average in pairs:  # one by one: the model need not fit twice
        value = tf.identity(weight.value)
        weight.assign(average.value)
        average.assign(value)
