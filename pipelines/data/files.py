"""The files in a folder, local or `gs://…`, and what is known of them before they are read."""

import collections
import concurrent.futures
import os
import sys
import time
from typing import NamedTuple

import tensorflow as tf

from pipelines import remote
from pipelines.command_line import one_line
from pipelines.errors import UserError

# Remote buckets answer slowly but many at a time.
NUM_THREADS = 16
_REPORT_SECONDS = 10.0


class Stat(NamedTuple):
    """What a file system says of a file.

    Attributes:
        size: int. Bytes.
        changed: int. When it was last written, in nanoseconds.
    """

    size: int
    changed: int


class Found(NamedTuple):
    """The files of some kinds in a folder.

    Attributes:
        paths: list of str, sorted.
        others: collections.Counter of str. How many files of other kinds there are, by suffix.
    """

    paths: list
    others: collections.Counter


def find(folder, suffixes):
    """Looks for files in a folder and in those within it; hidden ones are left alone.

    Args:
        folder: str, local or `gs://…`.
        suffixes: tuple of str, in small letters.

    Returns:
        `Found`.

    Raises:
        UserError: a folder that cannot be listed, a file that comes twice because of a link, is no
            regular file, or has a name that is not UTF-8.
    """
    found, others = {}, collections.Counter()
    for path, real in _walk(folder, os.path.realpath(folder), ()):
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in suffixes:
            others[suffix] += 1
            continue
        check_regular(path)
        if os.path.islink(path):
            real = os.path.realpath(path)
        if real in found:
            first, second = sorted([found[real], path])
            raise UserError(
                f"{first!r} and {second!r} are the same file, by a link: remove the link, or it "
                "would count twice"
            )
        found[real] = path
    return Found(sorted(found.values()), others)


def tell_of_others(folder, others, suffixes):
    """Says on standard error which files of a folder are left out for their names.

    Args:
        folder: str.
        others: see `Found`.
        suffixes: tuple of str. Of those that are taken.
    """
    if others:
        kinds = ", ".join(sorted(suffix or "no suffix" for suffix in others))
        print(
            f"left out: {others.total():,} files in {folder} that are not named "
            f"{', '.join(suffixes)} ({kinds})",
            file=sys.stderr,
        )


def check_regular(path):
    """Refuses a pipe or a device; what is not there will do.

    Raises:
        UserError: names it.
    """
    if _is_local(path) and os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path!r} is no regular file: reading it might never end")


def _walk(folder, real_folder, within):
    """Pairs of a path and where it really lies, links to the file itself left as they are."""
    within = (*within, real_folder)
    for name in listdir(folder):
        plain = name.rstrip("/")
        path = tf.io.gfile.join(folder, plain)
        if not plain or plain.startswith("."):
            continue
        if not is_folder(name, path):
            yield path, os.path.join(real_folder, plain)
            continue
        real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_folder, plain)
        if real in within:
            raise UserError(f"{path!r} is a link to a folder that holds it: remove the link")
        yield from _walk(path, real, within)


def listdir(folder):
    """Names in a folder; on a bucket those of folders end with a slash.

    Raises:
        UserError: it cannot be listed, or a name in it is not UTF-8.
    """
    try:
        return tf.io.gfile.listdir(folder)
    except tf.errors.OpError as error:
        raise unreadable(folder, error) from error
    except UnicodeDecodeError as error:
        names = [name for name in os.listdir(folder) if not _is_utf8(name)]
        raise UserError(
            f"{folder!r} holds a file whose name is not UTF-8 ({names[0]!a}): rename it"
        ) from error


def _is_utf8(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_folder(name, path):
    """Whether what `listdir` calls so, at a path, is a folder."""
    # Not gfile.walk, nor gfile.isdir on a bucket: that is a request for every file.
    if name.endswith("/") or _is_local(path):
        return name.endswith("/") or os.path.isdir(path)
    return not path.startswith("gs://") and tf.io.gfile.isdir(path)


def _is_local(path):
    return "://" not in path


def stats(paths, folder, missing=None):
    """What is known of files of a folder, asked for many at a time.

    Args:
        paths: list of str.
        folder: str. What a line of progress calls them.
        missing: `Stat` or None. What to say of a file that is not there, of a link to nothing for
            instance; None refuses it.

    Returns:
        list of `Stat`.

    Raises:
        UserError: a file that cannot be looked at.
    """

    def look(path):
        try:
            found = remote.stat(path)
            # TensorFlow says whole seconds.
            changed = os.stat(path).st_mtime_ns if _is_local(path) else found.mtime_nsec
        except (tf.errors.OpError, OSError) as error:
            if missing is not None and isinstance(
                error, (tf.errors.NotFoundError, FileNotFoundError)
            ):
                return missing
            raise unreadable(path, error) from error
        return Stat(found.length, changed)

    with concurrent.futures.ThreadPoolExecutor(NUM_THREADS) as executor:
        return list(report(executor.map(look, paths), paths, folder, "sized"))


def sizes(paths, folder):
    """List of the bytes of files of a folder; see `stats`."""
    return [stat.size for stat in stats(paths, folder)]


def report(results, paths, folder, verb):
    """Passes results on, with a line on stderr every ten seconds: a silent minute looks hung."""
    last = time.monotonic()
    for done, result in enumerate(results, 1):
        if time.monotonic() - last >= _REPORT_SECONDS:
            last = time.monotonic()
            print(f"{verb} {done:,} of {len(paths):,} files of {folder}", file=sys.stderr)
        yield result


def unreadable(path, error):
    """`UserError` of an error of a file system."""
    reason = one_line(getattr(error, "message", error))
    message = f"cannot read {path!r} ({reason}): check that it is there and may be read"
    return remote.user_error(error, message)
