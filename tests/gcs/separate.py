"""The stand-in in a process of its own, with a handle on it in this one."""

import contextlib
import multiprocessing
import multiprocessing.managers

from tests.gcs.server import Server


class _Manager(multiprocessing.managers.BaseManager):
    pass


def _start():
    return Server().__enter__()


_HANDLE = ["fresh_bucket", "put", "read", "delete", "names", "get_environment"]
_HANDLE += ["set_page_size", "set_faults", "take_counts"]
_Manager.register("start_server", _start, exposed=_HANDLE)


@contextlib.contextmanager
def serve():
    """Starts a `Server` and yields a handle with its methods."""
    # Not forked: TensorFlow's threads would not survive it.
    with _Manager(ctx=multiprocessing.get_context("spawn")) as manager:
        yield manager.start_server()
