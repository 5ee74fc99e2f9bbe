"""Another worker that ends, or cannot be reached any more, in the middle of a run."""

import contextlib
import re

import tensorflow as tf

from pipelines.command_line import one_line
from pipelines.errors import RunError
from pipelines.workers import Workers

# What waits for the others is told by TensorFlow's coordination service, which heard nothing for
# `Distribution.lost_after_seconds`, or by a connection that breaks.
_ABORTED = "Collective ops is aborted|unhealthy|coordination service"
_LONGEST = 400  # letters of what names no worker
_TASK = r"/job:(chief|worker)/(?:replica:\d+/)?task:(\d+)"


def is_lost_worker(error):
    """bool. Whether an error of TensorFlow is that another worker does not answer."""
    return bool(re.search(_ABORTED, str(error), re.IGNORECASE))


@contextlib.contextmanager
def lost_workers(remedy):
    """Says in one line that a worker was lost, and which.

    Args:
        remedy: str. What starting again does.

    Raises:
        RunError: another worker does not answer.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not is_lost_worker(error):
            raise
        raise RunError(f"{_lost(error)} was lost: start all workers again, {remedy}") from error


def _lost(error):
    workers = Workers.from_environment()
    # The last one: a report of somebody unhealthy names its sender first.
    for kind, index in reversed(re.findall(_TASK, str(error))):
        address = workers.address_of(kind, int(index))
        if address is not None and address != workers.addresses[workers.index]:
            return workers.name(address)
    return f"another worker ({one_line(error)[-_LONGEST:]})"
