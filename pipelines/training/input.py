"""From a task's dataset to one that a strategy hands to its replicas."""

import contextlib

import tensorflow as tf

from pipelines.errors import UserError


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
def data_errors(task):
    """Names the file that is to blame where reading data fails in the middle of a run.

    TensorFlow's readers say that a record is damaged, but not in which file.

    Args:
        task: the task that is read from.

    Raises:
        UserError: the task finds something wrong with its files.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
        # Not for any error: looking reads every byte, and memory that ran out is no file's fault.
        if hasattr(task, "check_contents"):
            task.check_contents()
        raise
