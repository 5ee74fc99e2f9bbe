"""The stand-in in a process of its own, with a handle on it in this one."""

import contextlib
import multiprocessing
import multiprocessing.managers

from tests.serving.stand_in import StandIn


class _Manager(multiprocessing.managers.BaseManager):
    pass


def _start(name, versions):
    return StandIn(name, versions).__enter__()


_Manager.register("start_stand_in", _start, exposed=["targets", "process"])


@contextlib.contextmanager
def serve(name, versions):
    """Starts a `StandIn` and yields a handle with its methods `targets` and `process`."""
    # Not forked: TensorFlow's threads would not survive it.
    with _Manager(ctx=multiprocessing.get_context("spawn")) as manager:
        yield manager.start_stand_in(name, versions)
