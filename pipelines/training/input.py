"""From a task's dataset to one that a strategy hands to its replicas."""

import contextlib
import re

import tensorflow as tf

from pipelines.errors import RunError, UserError
from pipelines.training.lost_workers import is_lost_worker

_OF_FILES = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
)
# Nothing but what lies outside of the program ends in these.
_OF_BUCKETS = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnauthenticatedError,
)
# How an error says that it came out of an iterator: the operation that failed for it is one. (With
# a number behind it, it is a wire to another device, and may be named in any error.)
_ITERATOR = r"IteratorGetNext(AsOptional|FromShard)?(_\d+)?\]\]|__wrapped__\w*IteratorGetNext"
_LONGEST = 400  # letters of a reason


def check_batch_size(name, batch_size, strategy):
    """Refuses a batch that the replicas cannot share.

    Raises:
        UserError: it does not divide.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(
            f"{name} is {batch_size}, which {replicas} replicas cannot share: "
            f"choose a multiple of {replicas}"
        )


def distribute(strategy, make_dataset, batch_size):
    """A dataset of which each replica gets its own rows.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset: function of `batch_size` (rows of the global batch), `shard_index` and
            `num_shards`: one shard for each worker.
        batch_size: int.

    Returns:
        Distributed dataset.
    """

    def of_worker(context):
        dataset = make_dataset(
            batch_size=batch_size,
            shard_index=context.input_pipeline_id,
            num_shards=context.num_input_pipelines,
        )
        return dataset.rebatch(batch_size // context.num_replicas_in_sync, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_worker)


@contextlib.contextmanager
def data_errors(task, remedy="try the same command again"):
    """Says in one line why reading data failed in the middle of a run.

    TensorFlow's readers say that a record is damaged, but not in which file.

    Args:
        task: the task that is read from.
        remedy: str. What to do where nothing is wrong with the files.

    Raises:
        UserError: the task finds something wrong with its files.
        RunError: it does not, but they could not be read, or a bucket does not answer.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if is_lost_worker(error):
            raise
        # Not for any error: looking reads every byte, and memory that ran out is no file's fault.
        if isinstance(error, _OF_FILES) and hasattr(task, "check_contents"):
            task.check_contents()
        # What else fails is the program's mistake, and its traceback is of use.
        if re.search(_ITERATOR, str(error)) or isinstance(error, _OF_BUCKETS):
            raise RunError(f"{_reason(error)}; {remedy}") from error
        raise


def _reason(error):
    """What an error of a graph says, less where in the graph it was."""
    text = re.sub(
        r"Graph execution error:.*?<stack traces unavailable>", "", str(error), flags=re.S
    )
    text = re.sub(
        r"\{\{function_node .*?\}\}|Error in user-defined .*?: \w*Iterator::\S+:", "", text
    )
    text = re.split(r"\[\[|\[Op:|Traceback", text, maxsplit=1)[0]
    text = " ".join(text.split())[:_LONGEST]
    return f"{type(error).__name__}: {text}"
