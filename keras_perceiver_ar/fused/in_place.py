"""Writing into a buffer where it lies. B batch, S places."""

import keras
from keras import ops

from keras_perceiver_ar.fused.device import is_jax_cpu

if keras.backend.backend() == "jax":
    import jax
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # TensorFlow has no public word for "XLA will compile this"; its own loops ask this one.
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext


def write(buffer, start, values):
    """Writes entries of all rows at the same places.

    XLA writes a `slice_update` in place, on a CPU with some help. TensorFlow by itself does not:
    Keras' `scatter_update` is an op there that copies the whole buffer on a CPU, and `slice_update`
    one that calls XLA, which copies it too; of the ops that TensorFlow has, this one takes over a
    buffer that nobody else holds. Where XLA compiles all of it, as on TPUs, it is the other way
    round: it refuses that op unless `start` is a constant.

    Args:
        buffer: (B, S, …).
        start: int32 scalar. S − n at most.
        values: (B, n, …).

    Returns:
        The buffer with `buffer[:, start : start + n] = values`.
    """
    if keras.backend.backend() != "tensorflow" or is_for_xla():
        place = (0, start, *[0] * (len(buffer.shape) - 2))
        if is_jax_cpu():
            # A loop of one round, which XLA cannot know. It would fuse the bare update with each
            # of its readers, and every fusion would write a copy of the buffer.
            once = jax.numpy.where(start >= 0, 1, 2)
            return jax.lax.fori_loop(
                0, once, lambda _, buffer: ops.slice_update(buffer, place, values), buffer
            )
        return ops.slice_update(buffer, place, values)
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=buffer,
        begin=tf.stack([0, start]),
        end=tf.stack([0, start + tf.shape(values)[1]]),
        strides=[1, 1],
        value=values,
        begin_mask=1,
        end_mask=1,
    )


def is_for_xla():
    """Whether TensorFlow traces what XLA is to compile."""
    if keras.backend.backend() != "tensorflow":
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
