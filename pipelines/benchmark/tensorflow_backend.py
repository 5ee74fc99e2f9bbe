"""The train step on TensorFlow, and what the device says of itself."""

import contextlib

import numpy as np
import tensorflow as tf

from pipelines.benchmark.memory import OutOfMemory, process_peak
from pipelines.benchmark.workload import make_optimizer


class TrainStep:
    """One `tf.function`: forward, backward, clip and update.

    Args:
        workload: `Workload`.
        jit: bool. Whether XLA compiles it.
    """

    def __init__(self, workload, jit=True):
        model = workload.make_model()
        optimizer = make_optimizer()
        variables = model.trainable_variables
        optimizer.build(variables)
        count = tf.Variable(0, dtype=tf.int32, trainable=False)

        def train_step(inputs, labels, memory):
            seed = tf.stack([1, count.assign_add(1)])
            with tf.GradientTape() as tape:
                loss, memory = workload.compute_loss(model, inputs, labels, memory, seed)
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            # The embedding's gradient is sparse: rows that repeat have to be summed up before the
            # norm is taken.
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            optimizer.apply(gradients, variables)
            return loss, memory

        self._function = tf.function(train_step, jit_compile=jit, autograph=False)
        self._batch = tf.nest.map_structure(tf.constant, workload.make_batch())
        self._memory = workload.make_memory(model)

    def compile(self):
        """Traces, compiles and runs one step: TensorFlow compiles at the first call."""
        self.wait(self.run())

    def run(self):
        """Starts one step; the next may be started before it is done.

        Returns:
            the loss, on its way.
        """
        loss, self._memory = self._function(*self._batch, self._memory)
        return loss

    def wait(self, loss):
        """Waits for all that was started.

        Returns:
            float, the loss.
        """
        if self._function.experimental_get_tracing_count() != 1:
            raise RuntimeError("The step was traced again: what was timed holds a compilation.")
        return float(loss)

    def memory(self):
        """Bytes at the peak; XLA tells TensorFlow nothing of what a program needs."""
        return {"temp_bytes": None, "argument_bytes": None, "peak_bytes": peak_bytes()}


def peak_bytes():
    """Bytes held at most: of the device, or of the process where the device is a CPU."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return process_peak()


def device():
    """(what the device is called, its platform, how many there are; one of them is used)."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "cpu", "cpu", 1
    details = tf.config.experimental.get_device_details(devices[0])
    return details.get("device_name", "gpu"), "gpu", len(devices)


def matmul(size, dtype):
    """A function that starts one product of square matrices, and one that waits for it."""
    rng = np.random.default_rng(0)
    left, right = (
        tf.cast(rng.standard_normal((size, size), dtype="float32"), dtype) for _ in range(2)
    )
    # One element: what is waited for is the product, not a copy of it.
    return lambda: tf.matmul(left, right), lambda product: product[0, 0].numpy()


@contextlib.contextmanager
def trace(folder):
    """A profile of what runs within, for TensorBoard."""
    tf.profiler.experimental.start(folder)
    try:
        yield
    finally:
        tf.profiler.experimental.stop()


@contextlib.contextmanager
def out_of_memory():
    """Turns the device's own error into `OutOfMemory`."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise OutOfMemory(error.message) from error
