"""The train step on JAX, and what the device says of itself."""

import contextlib

import jax
import jax.numpy as jnp
import keras
import numpy as np

from pipelines.benchmark.memory import OutOfMemory, process_peak
from pipelines.benchmark.workload import make_optimizer

# On an H200 5 % faster than what XLA does by itself: its own matrix products are slower than
# cuBLAS's here, and its CUDA graphs cost more than they save where the host works ahead.
COMPILER_OPTIONS = {
    "gpu": {"xla_gpu_enable_command_buffer": "", "xla_gpu_enable_triton_gemm": False}
}


class TrainStep:
    """One compiled program: forward, backward, clip and update, with its state donated.

    Args:
        workload: `Workload`.
    """

    def __init__(self, workload):
        model = workload.make_model()
        optimizer = make_optimizer()
        optimizer.build(model.trainable_variables)
        trainable, other = model.trainable_variables, model.non_trainable_variables

        def compute_loss(values, others, inputs, labels, memory, seed):
            # The variables are arguments: as constants they would be part of the program.
            variables = [*zip(trainable, values, strict=True), *zip(other, others, strict=True)]
            with keras.StatelessScope(variables):
                return workload.compute_loss(model, inputs, labels, memory, seed)

        def train_step(state, inputs, labels):
            values, others, slots, memory, count = state
            seed = jnp.stack([jnp.uint32(1), count])
            differentiate = jax.value_and_grad(compute_loss, has_aux=True)
            (loss, memory), gradients = differentiate(values, others, inputs, labels, memory, seed)
            values, slots = optimizer.stateless_apply(slots, gradients, values)
            return (values, others, slots, memory, count + 1), loss

        self._function = jax.jit(train_step, donate_argnums=0)
        self._state = (
            # Given away, not copied: after the first step the model itself has no values left.
            *([v.value for v in group] for group in (trainable, other, optimizer.variables)),
            workload.make_memory(model),
            jnp.uint32(0),
        )
        self._batch = jax.device_put(workload.make_batch())

    def compile(self):
        """Compiles ahead of time; the program refuses arguments that would need another one."""
        lowered = self._function.lower(self._state, *self._batch)
        self._program = lowered.compile(COMPILER_OPTIONS.get(jax.default_backend()))

    def run(self):
        """Starts one step; the next may be started before it is done.

        Returns:
            the loss, on its way.
        """
        self._state, loss = self._program(self._state, *self._batch)
        return loss

    def wait(self, loss):
        """Waits for all that was started.

        Returns:
            float, the loss.
        """
        jax.block_until_ready((self._state, loss))
        return float(loss)

    def memory(self):
        """Bytes that the program needs besides its arguments, those of its arguments, the peak."""
        needs = self._program.memory_analysis()
        return {
            "temp_bytes": needs.temp_size_in_bytes,
            "argument_bytes": needs.argument_size_in_bytes,
            "peak_bytes": peak_bytes(),
        }

    def flops(self):
        """What the compiler counts; a loop's body counts once."""
        return self._program.cost_analysis()["flops"]


def peak_bytes():
    """Bytes held at most: of the device, or of the process where the device is a CPU."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use", process_peak())


def device():
    """(what the device is called, its platform, how many there are; one of them is used)."""
    devices = jax.devices()
    return devices[0].device_kind, devices[0].platform, len(devices)


def matmul(size, dtype):
    """A function that starts one product of square matrices, and one that waits for it."""
    rng = np.random.default_rng(0)
    left, right = (
        jnp.asarray(rng.standard_normal((size, size), dtype="float32"), dtype) for _ in range(2)
    )
    program = jax.jit(jnp.matmul).lower(left, right).compile()
    return lambda: program(left, right), jax.block_until_ready


def trace(folder):
    """A profile of what runs within, for TensorBoard or Perfetto."""
    return jax.profiler.trace(folder)


@contextlib.contextmanager
def out_of_memory():
    """Turns the device's own error into `OutOfMemory`."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise OutOfMemory(str(error)) from error
