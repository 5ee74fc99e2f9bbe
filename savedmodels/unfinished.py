"""Folders of exports that are under way, and of those that were killed.

An export holds a lock on a file beside its folder. The kernel takes it off when the process ends,
however it ends; so who gets the lock knows that the export is gone. Not every shared disk tells one
machine of another's locks, so only what was begun under this very start of this kernel is judged,
and the name says which that was. Anything else is left, with a warning.
"""

import contextlib
import fcntl
import os
import re
import shutil
import sys
import uuid

import tensorflow as tf

from pipelines.command_line import printable

PREFIX = "unfinished-"
_LOCK = ".lock"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@contextlib.contextmanager
def claimed(directory):
    """A new folder's path for the time it is written; what is left of it is removed.

    Args:
        directory: str, on a disk.

    Yields:
        str, the path. Nothing is there yet.
    """
    path, lock = _claim(directory)
    with lock:
        try:
            yield path
        finally:
            _remove(path)


def clear(directory):
    """Removes what exports of this machine that are gone have left; warns of what others did."""
    kept = []
    for path in listed(directory):
        if not os.path.basename(path).startswith(f"{PREFIX}{_boot()}-"):
            kept.append(path)
            continue
        try:
            with open(path + _LOCK, "r+") as lock:
                is_gone = _lock(lock)
                if is_gone:
                    _remove(path)
        except FileNotFoundError:  # an export that has ended since `listed` took it away
            continue
        except PermissionError:  # another person's
            is_gone = None
        if is_gone is None:
            kept.append(path)
    warn(kept)


def listed(directory):
    """Sorted paths of what is not finished, local or remote."""
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(directory))
    found = {name.removesuffix(_LOCK) for name in names if name.startswith(PREFIX)}
    return [tf.io.gfile.join(directory, name) for name in sorted(found)]


def warn(paths):
    """Says what was left alone."""
    for path in paths:
        text = (
            f"warning: {path} may belong to an export that runs elsewhere, and is left as it is: "
            "remove it if there is none"
        )
        print(printable(text), file=sys.stderr)


def _claim(directory):
    while True:
        path = os.path.join(directory, f"{PREFIX}{_boot()}-{uuid.uuid4().hex}")
        lock = open(path + _LOCK, "x+")  # noqa: SIM115
        # Whoever clears between the two lines may have locked it, and removed it.
        with contextlib.suppress(FileNotFoundError):
            if _lock(lock) is not False and os.path.samestat(
                os.stat(path + _LOCK), os.fstat(lock.fileno())
            ):
                return path, lock
        lock.close()


def _lock(file):
    """Whether a file is this process's now; None where the disk has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def _remove(path):
    """The lock last: until then, who is killed here is known to be gone."""
    if os.path.lexists(path):
        shutil.rmtree(path)
    with contextlib.suppress(FileNotFoundError):
        os.remove(path + _LOCK)


def _boot():
    """Of this start of this kernel; of none that can be known, where there is no Linux."""
    try:
        with open(_BOOT_ID) as file:
            return re.sub("[^0-9a-f]", "", file.read())
    except OSError:
        return f"unknown{uuid.uuid4().hex}"
