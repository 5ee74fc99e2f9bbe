"""Sums that stay on the device until somebody asks."""

import tensorflow as tf


class RunningSums:
    """Named sums over steps and replicas. Make them in the scope of the strategy.

    Args:
        names: iterable of str.
    """

    def __init__(self, names):
        # float64: 2^24 labels are soon past, and TensorFlow emulates it where a TPU has none.
        self._variables = {
            name: tf.Variable(
                0.0,
                trainable=False,
                name=name,
                dtype=tf.float64,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for name in names
        }

    def reset(self):
        """Sets every sum to 0."""
        for variable in self._variables.values():
            variable.assign(0.0)

    def add(self, **values):
        """Adds a replica's own scalars, inside `strategy.run`."""
        for name, value in values.items():
            self._variables[name].assign_add(tf.cast(value, tf.float64))

    def read(self):
        """dict of float, over all replicas."""
        return {name: float(variable.read_value()) for name, variable in self._variables.items()}


LABEL_SUMS = ("loss", "correct", "labels")


def label_sums(labels, logits, cross_entropy):
    """A replica's sums over the labels that count.

    Args:
        labels: int32 (b, N). 0 does not count.
        logits: float32 (b, N, V).
        cross_entropy: float32 (b, N), 0 where a label does not count.

    Returns:
        dict of scalars, named as in `LABEL_SUMS`.
    """
    counts = labels > 0
    hits = counts & tf.equal(tf.argmax(logits, -1, labels.dtype), labels)
    return {
        "loss": tf.reduce_sum(cross_entropy),
        "correct": tf.reduce_sum(tf.cast(hits, tf.float32)),
        "labels": tf.reduce_sum(tf.cast(counts, tf.float32)),
    }
