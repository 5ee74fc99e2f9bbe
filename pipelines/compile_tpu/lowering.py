"""From a run's configuration to the HLO of one of its steps."""

import tensorflow as tf

import gin
from pipelines import configuration, flops, gin_reading
from pipelines.command_line import one_line
from pipelines.compile_tpu import programs
from pipelines.compile_tpu.numbering import number_within_computations
from pipelines.configuration import Experiment
from pipelines.errors import MissingValue, RunError, UserError
from pipelines.gin_checks import check_used
from pipelines.position_checks import ANY_POSITIONS
from pipelines.pure import shapes_alone
from pipelines.settings import TrainSettings


@gin.configurable(module="pipelines")
class DataUnseen:
    """Stands in for a task of which the vocabulary is known and nothing else is asked.

    Args:
        vocab_size: int. V.
    """

    positions = ANY_POSITIONS
    train_dataset = None

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size


def lower(flags, replicas):
    """Lowers a step with TensorFlow's TPU kernels.

    Args:
        flags: those of `flags.add_step_flags`.
        replicas: int. How many share the batch.

    Returns:
        bytes, the serialised HLO, and dict of facts about it.

    Raises:
        UserError: settings or data that do not fit, or a batch that the replicas cannot share.
    """
    try:
        configuration.parse(flags.gin_file, [*_stand_in(flags), *flags.gin_bindings])
    except MissingValue as error:
        if "DATA" not in error.names:
            raise
        raise UserError(
            "the run reads prepared data: give --vocab_size=NUMBER in their place, or DATA"
        ) from error
    settings = gin_reading.make(TrainSettings)
    experiment = gin_reading.make(Experiment)
    with shapes_alone():
        model = experiment.make_model()
    optimizer = experiment.make_optimizer()
    check_used(flags.gin_bindings)
    microbatches, rows = 1, flags.decode_rows
    if flags.step == "train":
        microbatches = settings.num_microbatches
        rows = _share("TrainSettings.batch_size", settings.batch_size, replicas)
        settings.check_microbatches(replicas)
        program = programs.TrainProgram(model, rows, settings, optimizer, replicas)
    elif flags.step == "evaluate":
        name = "evaluation_batch_size" if settings.evaluation_batch_size else "batch_size"
        rows = _share(f"TrainSettings.{name}", getattr(settings, name), replicas)
        program = programs.EvaluateProgram(model, rows)
    else:
        program = programs.DecodeProgram(model, rows)
    hlo = _lower(program)
    of_step = flops.train_step_flops(model, rows // microbatches)
    return hlo, {
        "step": flags.step,
        "rows": rows,
        "microbatches": microbatches,
        "parameters": model.count_params(),
        "optimizer": type(optimizer).__name__,
        "dtype": model.backbone.compute_dtype,
        "rematerialize": model.backbone.rematerialize,
        "hand_flops": of_step if flags.step == "train" else of_step // flops.FORWARD_AND_BACKWARD,
        "donated": program.donated,
    }


def _lower(program):
    function = tf.function(program, jit_compile=True, autograph=False)
    try:
        lower = function.experimental_get_compiler_ir(*program.specs)
        hlo = lower(stage="hlo_serialized", platform_name="TPU")
    except (ValueError, tf.errors.OpError) as error:
        # Of sizes beyond 32 bits, or an operation that TPUs have no kernel of.
        raise RunError(f"TensorFlow cannot lower this step for TPUs: {one_line(error)}") from error
    return number_within_computations(hlo)


def _share(name, batch_size, replicas):
    """Rows of each replica."""
    if batch_size % replicas:
        raise UserError(
            f"{name} is {batch_size}, which {replicas} devices cannot share: choose a multiple of "
            f"{replicas}"
        )
    return batch_size // replicas


def _stand_in(flags):
    """Bindings that put `DataUnseen` in the place of the data."""
    if flags.vocab_size is None:
        return []
    # Only a run that asks for a folder of data takes one.
    asks = any("\nDATA = %gin.REQUIRED" in configuration.read_file(f) for f in flags.gin_file)
    return [
        *(["DATA = 'unseen'"] if asks else []),
        "Experiment.task = @DataUnseen()",
        f"DataUnseen.vocab_size = {flags.vocab_size}",
    ]
