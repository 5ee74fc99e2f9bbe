"""What each step of a loop was like, kept on the device until the loop is done."""

import numpy as np
import tensorflow as tf


class StepTable:
    """A row of named numbers for each step of a loop, summed over replicas.

    Make it in the scope of the strategy. To hand numbers to the host at every step would make the
    device wait for the host.

    Args:
        names: iterable of str.
        num_rows: int. Steps of the longest loop.
    """

    def __init__(self, names, num_rows):
        self._names = tuple(names)
        # float32 is exact for what a step counts: below 2^24 labels.
        self._values = tf.Variable(
            tf.zeros((num_rows, len(self._names))),
            trainable=False,
            name="steps",
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def reset(self):
        """Sets every number to 0."""
        self._values.assign(tf.zeros(self._values.shape))

    def add(self, row, **values):
        """Adds a replica's own scalars to a row, inside `strategy.run`.

        Args:
            row: int tensor ().
            **values: scalars, one for each name.
        """
        numbers = tf.stack([tf.cast(values[name], tf.float32) for name in self._names])
        # No scatter: on some devices it copies, and the table is small.
        there = tf.one_hot(
            row, self._values.shape[0], dtype=tf.bool, on_value=True, off_value=False
        )
        self._values.assign_add(tf.where(there[:, None], numbers, 0.0))

    def read(self):
        """dict of float32 arrays (rows,), over all replicas."""
        values = np.asarray(self._values.read_value())
        return {name: values[:, column] for column, name in enumerate(self._names)}
