"""Sums that stay on the device until somebody asks."""

import tensorflow as tf


class RunningSums:
    """Named sums over steps and replicas. Make them in the scope of the strategy.

    Args:
        names: iterable of str.
        vectors: dict of str to int. Further sums of so many numbers each.
    """

    def __init__(self, names, vectors=()):
        # float64: 2^24 labels are soon past, and TensorFlow emulates it where a TPU has none.
        shapes = dict.fromkeys(names, ())
        shapes |= {name: (size,) for name, size in dict(vectors).items()}
        self._variables = {
            name: tf.Variable(
                tf.zeros(shape, tf.float64),
                trainable=False,
                name=name,
                dtype=tf.float64,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for name, shape in shapes.items()
        }

    def reset(self):
        """Sets every sum to 0."""
        for variable in self._variables.values():
            variable.assign(tf.zeros(variable.shape, tf.float64))

    def add(self, **values):
        """Adds a replica's own numbers, inside `strategy.run`."""
        for name, value in values.items():
            self._variables[name].assign_add(tf.cast(value, tf.float64))

    def read(self):
        """dict of float, and of float64 arrays, over all replicas."""
        values = {name: v.read_value().numpy() for name, v in self._variables.items()}
        return {name: value if value.ndim else float(value) for name, value in values.items()}


LABEL_SUMS = ("loss", "correct", "labels")


def label_sums(labels, logits, cross_entropy):
    """A replica's sums over the labels that count.

    Args:
        labels: int32 (b, N). 0 does not count.
        logits: float32 (b, N, V).
        cross_entropy: float (b, N), 0 where a label does not count. The sum has its dtype.

    Returns:
        dict of scalars, named as in `LABEL_SUMS`.
    """
    return {
        "loss": tf.reduce_sum(cross_entropy),
        "correct": tf.reduce_sum(tf.cast(hits(labels, logits), tf.float32)),
        "labels": tf.reduce_sum(tf.cast(labels > 0, tf.float32)),
    }


def hits(labels, logits):
    """bool (b, N): labels that count, and are the likeliest token by logits (b, N, V)."""
    return (labels > 0) & tf.equal(tf.argmax(logits, -1, labels.dtype), labels)
