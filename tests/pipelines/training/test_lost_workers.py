"""What TensorFlow says of a lost worker becomes one line; what else it says does not."""

import pytest
import tensorflow as tf

from pipelines.errors import RunError
from pipelines.training.input import data_errors
from pipelines.training.lost_workers import lost_workers
from tests.pipelines import runs

# As TensorFlow 2.20 words them.
OF_HEARTBEATS = (
    "Graph execution error:\n\nCollective ops is aborted by: Error reported from "
    "/job:worker/task:{sender}: The following tasks are unhealthy (stopped sending heartbeats):\n"
    "/job:worker/replica:0/task:{lost}\nThe tasks have crashed. [[{{{{node CollectiveReduceV2}}}}]]"
)
OF_CONNECTIONS = (
    "Collective ops is aborted by: recvmsg:Connection reset by peer\nAdditional GRPC error "
    "information from remote target /job:worker/replica:0/task:{lost} while calling "
    "/tensorflow.WorkerService/CompleteInstance"
)
UNNAMED = "Collective ops is aborted by: Socket closed"


@pytest.fixture(params=[0, 1])
def lost(request, monkeypatch):
    """Number of the worker that is lost; this one is the other."""
    environment = runs.cluster()[1 - request.param]
    monkeypatch.setenv("TF_CONFIG", environment["TF_CONFIG"])
    return request.param


@pytest.mark.parametrize("text", [OF_HEARTBEATS, OF_CONNECTIONS])
def test_it_is_named(lost, text):
    message = text.format(lost=lost, sender=1 - lost)
    with pytest.raises(RunError) as error, lost_workers("it goes on"), data_errors(object()):
        raise tf.errors.UnavailableError(None, None, message)
    line = str(error.value)
    assert line.startswith(f"worker {lost} (127.0.0.1:")
    assert line.endswith(") was lost: start all workers again, it goes on")


def test_one_without_a_name_is_another_worker(lost):
    said = r"^another worker \(.*Socket closed\) was lost: "
    with pytest.raises(RunError, match=said), lost_workers("again"):
        raise tf.errors.AbortedError(None, None, UNNAMED)


def test_other_errors_are_not_touched():
    error = tf.errors.UnavailableError(None, None, "the bucket is away")
    with pytest.raises(tf.errors.UnavailableError), lost_workers("again"):
        raise error
