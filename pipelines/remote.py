"""Reading whole files from buckets.

TensorFlow's file system itself tries again, ten times over minutes, when a request is answered with
a status such as 429 or 503 or its connection breaks. It does not where an answer ends early and
says that this is all: that is an error of the kind `INTERNAL` at best, and at worst a shorter file.
"""

import tenacity
import tensorflow as tf

from pipelines.command_line import one_line
from pipelines.errors import UserError

TRIES = 5


class ShortRead(Exception):
    """Fewer or more bytes came than the file holds."""


class Away(UserError):
    """Something cannot be read now, for no reason of its own: a bucket that does not answer."""


_PASSING = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.ResourceExhaustedError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


def user_error(error, message):
    """`UserError` of an error of reading, or `Away` if it may have passed the next time."""
    return Away(message) if isinstance(error, (*_PASSING, ShortRead)) else UserError(message)


def try_again(function):
    """A function that is called up to five times, as long as what it reads comes short."""
    return tenacity.retry(
        retry=tenacity.retry_if_exception_type((tf.errors.InternalError, ShortRead)),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=10),
        reraise=True,
    )(function)


@try_again
def stat(path):
    """TensorFlow's `FileStatistics` of a file, local or remote: `length`, `mtime_nsec`.

    Raises:
        tf.errors.OpError: it cannot be asked for.
    """
    return tf.io.gfile.stat(path)


@try_again
def read(path, num_bytes):
    """All bytes of a file, local or remote.

    Args:
        path: str.
        num_bytes: int. Its size.

    Raises:
        tf.errors.OpError: it cannot be read.
        ShortRead: it has another size each time.
    """
    with tf.io.gfile.GFile(path, "rb") as file:
        data = file.read()
    if len(data) != num_bytes:
        raise ShortRead(f"{len(data):,} bytes came of {num_bytes:,}")
    return data


def content(path, hint="", most=None, too_large=""):
    """All bytes of a file that a person named.

    Args:
        path: str, local or remote.
        hint: str. What to add where it cannot be read.
        most: int or None. Bytes that are allowed.
        too_large: str. What to say of more.

    Raises:
        UserError: it cannot be read whole, or is larger.
    """
    try:
        num_bytes = stat(path).length
        if most is not None and num_bytes > most:
            raise UserError(f"{path!r} is larger than {most:,} bytes: {too_large}")
        return read(path, num_bytes)
    except (tf.errors.OpError, ShortRead) as error:
        raise user_error(error, one_line(error) + hint) from error
