"""Sums that stay on the device, numbers and vectors."""

import numpy as np
import tensorflow as tf

from pipelines.training.running_sums import RunningSums


def test_numbers_and_vectors_add_up_until_they_are_reset():
    sums = RunningSums(("loss",), {"of_documents": 3})
    for step in range(3):
        sums.add(loss=tf.constant(0.5), of_documents=tf.constant([1.0, 0.0, step], tf.float64))
    found = sums.read()
    assert found["loss"] == 1.5 and isinstance(found["loss"], float)
    np.testing.assert_array_equal(found["of_documents"], [3.0, 0.0, 3.0])
    sums.reset()
    assert sums.read()["loss"] == 0.0 and not sums.read()["of_documents"].any()


def test_small_numbers_are_not_lost_beside_large_ones():
    sums = RunningSums(("labels",), {"each": 1})
    for number in (2**24, 1, 1, 1):
        sums.add(labels=tf.constant(float(number)), each=tf.constant([number], tf.float64))
    assert sums.read()["labels"] == sums.read()["each"][0] == 2**24 + 3
