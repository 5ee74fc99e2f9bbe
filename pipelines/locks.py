"""Work that one process at a time may do."""

import contextlib
import fcntl

from pipelines.errors import UserError


@contextlib.contextmanager
def alone(file, refusal):
    """Keeps everybody else from what a lock stands for; the system opens it however a process ends.

    Args:
        file: str or path. The lock, made where there is none.
        refusal: str. What to tell whoever comes while another process has it.

    Raises:
        UserError: another process has it.
    """
    with open(file, "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(refusal) from error
        yield
