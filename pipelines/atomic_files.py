"""Small files that are there whole or not at all."""

import contextlib
import os
import uuid

import tensorflow as tf

from pipelines.command_line import one_line
from pipelines.errors import RunError, UserError

# Behind the name of a file that `write_bytes` has not finished; 32 digits come after it.
UNFINISHED = ".unfinished-"
# What is open already goes on; a file in its place would not get the rest.
_OPEN_FILES = ("/dev/std", "/dev/fd/", "/proc/")


def check_place(flag, path):
    """Refuses a local file that could not be written, before the work that it is for.

    Args:
        flag: str. What names the file.
        path: str.

    Raises:
        UserError: it is a folder, or in none that files can be written to.
    """
    if "://" in path:
        return
    if os.path.isdir(path):
        raise UserError(f"{flag}: cannot write {path!r}: it is a folder")
    if path.startswith(_OPEN_FILES) or (os.path.exists(path) and not os.path.isfile(path)):
        return
    # Whole or not at all: a file of another name is made beside it.
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise UserError(f"{flag}: cannot write {path!r}: there is no folder {folder!r}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{flag}: cannot write {path!r}: no files can be written to {folder!r}")


def write_text(path, text):
    """Writes a small text file whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path, content):
    """Writes a small file whole or not at all: until then the one of before stays.

    A link stays one, to the new content. A device or a pipe gets the content as it comes.

    Args:
        path: str or path, local or remote.
        content: bytes.

    Raises:
        UserError: it cannot be written.
    """
    path = str(path)
    if path.startswith(_OPEN_FILES) or (os.path.exists(path) and not os.path.isfile(path)):
        with _naming(path):
            _write(path, "wb", content)
        return
    target = os.path.realpath(path) if os.path.islink(path) else path
    # A name of its own: two that write the same at once would take each other's away.
    unfinished = f"{target}{UNFINISHED}{uuid.uuid4().hex}"
    with _naming(path, unfinished):
        try:
            _write(unfinished, "wb", content)
            tf.io.gfile.rename(_name(unfinished), _name(target), overwrite=True)
        except BaseException:
            remove_if_there(_name(unfinished))
            raise


def append_bytes(path, content):
    """Appends to a small file all of this or nothing, where the file can be cut.

    Args:
        path: str, local or remote.
        content: bytes.

    Raises:
        UserError: it cannot be written.
    """
    num_bytes = os.path.getsize(path) if os.path.isfile(path) else None
    with _naming(path):
        try:
            _write(path, "ab", content)
        except BaseException:
            if num_bytes is not None:
                with contextlib.suppress(OSError):
                    os.truncate(path, num_bytes)
            raise


def _write(path, mode, content):
    with tf.io.gfile.GFile(_name(path), mode) as file:
        file.write(content)


def _name(path):
    """The bytes of a name: TensorFlow encodes none that the locale could not decode."""
    return path.encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _naming(path, unfinished=""):
    """Raises a `UserError` that names this path, not the unfinished one."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = one_line(error)
        if unfinished:
            reason = reason.replace(unfinished, path)
        raise UserError(reason if path in reason else f"cannot write {path}: {reason}") from error


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
