"""Small files that are there whole or not at all."""

import contextlib
import uuid

import tensorflow as tf

from pipelines.command_line import one_line, user_errors
from pipelines.errors import RunError

# Behind the name of a file that `write_bytes` has not finished; 32 digits come after it.
UNFINISHED = ".unfinished-"


def write_text(path, text):
    """Writes a small text file whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path, content):
    """Writes a small file whole or not at all.

    Args:
        path: str, local or remote.
        content: bytes.

    Raises:
        UserError: it cannot be written.
    """
    # A name of its own: two that write the same at once would take each other's away.
    unfinished = f"{path}{UNFINISHED}{uuid.uuid4().hex}"
    with user_errors(tf.errors.OpError):
        try:
            with tf.io.gfile.GFile(unfinished, "wb") as file:
                file.write(content)
            tf.io.gfile.rename(unfinished, path, overwrite=True)
        except tf.errors.OpError:
            remove_if_there(unfinished)
            raise


def remove_if_there(path):
    """Removes a file that may not have been written."""
    with contextlib.suppress(tf.errors.OpError):
        tf.io.gfile.remove(path)


@contextlib.contextmanager
def writing(path):
    """Says in one line why something could not be written in the middle of a run.

    Args:
        path: str.

    Raises:
        RunError: it could not.
    """
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        raise RunError(
            f"cannot write {path}: {one_line(error)}; the run is safe up to its last checkpoint: "
            "put it right, and the same command goes on"
        ) from error
