"""The train step as TensorFlow traces it, in a file that any XLA can compile.

So it can be timed where there is a device and JAX, but no TensorFlow.
"""

import pathlib

import keras
import tensorflow as tf

from pipelines import command_line
from pipelines.benchmark import backends, tensorflow_backend
from pipelines.benchmark.workload import make_optimizer
from pipelines.errors import UserError
from pipelines.pure import make_stateless


class PureTrainStep:
    """Forward, backward, clip and update as a function of arrays alone.

    Args:
        workload: `Workload`.

    Call arguments:
        state: `self.state`: weights, other variables, the optimizer's, a memory, the count.
        token_ids: int32 (B, M), without padding. There are no lengths: `run_hlo.py` fills integers
            with ones, and a row ends at its first 0.
        labels: int32 (B, M).

    Returns:
        the loss, then the next state: result i + 1 takes the place of argument i.
    """

    def __init__(self, workload):
        self._workload = workload
        self._model = workload.make_model()
        self._optimizer = make_optimizer()
        make_stateless(self._optimizer)
        self._optimizer.build(self._model.trainable_variables)
        memory = workload.make_memory(self._model) or ()  # flattening would keep a None
        count = tf.constant(0)
        variables = (
            self._model.trainable_variables,
            self._model.non_trainable_variables,
            self._optimizer.variables,
        )
        values = [[tf.convert_to_tensor(v.value) for v in group] for group in variables]
        self._structure = (*values, memory, count)
        self.state = tf.nest.flatten(self._structure)

    def __call__(self, *arguments):
        *state, token_ids, labels = arguments
        state = tf.nest.pack_sequence_as(self._structure, state)
        trainable, other, slots, memory, count = state
        pairs = zip(self._model.trainable_variables, trainable, strict=True)
        others = zip(self._model.non_trainable_variables, other, strict=True)
        with tf.GradientTape() as tape, keras.StatelessScope([*pairs, *others]):
            tape.watch(trainable)
            loss, memory = self._workload.compute_loss(
                self._model, {"token_ids": token_ids}, labels, memory or None, tf.stack([1, count])
            )
        gradients = tape.gradient(loss, trainable)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        trainable, slots = self._optimizer.stateless_apply(slots, gradients, trainable)
        return (loss, *tf.nest.flatten((trainable, other, slots, memory or (), count + 1)))


def export(workload, output, platform="CPU"):
    """Writes the step's HLO.

    Args:
        workload: `Workload`.
        output: str. File.
        platform: str. Whose kernels TensorFlow lowers with: "CPU", "CUDA" or "TPU".

    Returns:
        dict: `bytes` of the file, and `num_state`, the arguments that a step hands to the next.

    Raises:
        UserError: the file cannot be written, its folder is missing, or TensorFlow has not the
            kernels of the platform.
        OutOfMemory: the weights do not fit.
    """
    file = pathlib.Path(output)
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent} to write {file.name} to")
    with backends.limits(tensorflow_backend):
        step = PureTrainStep(workload)
        inputs, labels = workload.make_batch()
        arguments = (*step.state, tf.constant(inputs["token_ids"]), tf.constant(labels))
        hlo = _lower(step, arguments, platform)
    with command_line.user_errors(OSError):
        file.write_bytes(hlo)
    return {"bytes": len(hlo), "num_state": len(step.state)}


def _lower(step, arguments, platform):
    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    function = tf.function(step, jit_compile=True, autograph=False)
    lower = function.experimental_get_compiler_ir(*specs)
    try:
        return lower(stage="hlo_serialized", platform_name=platform)
    except ValueError as error:
        if "No JIT device registered" not in str(error):
            raise
        raise UserError(f"this TensorFlow has no kernels for --platform={platform}") from error
