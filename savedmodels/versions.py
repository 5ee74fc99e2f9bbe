"""Numbered versions of a model, each whole or not there at all, whatever kills an export."""

import errno
import os
import re
import uuid

import tensorflow as tf

from savedmodels import unfinished

_REMOTE = re.compile("[a-z][a-z0-9+.-]*://")
# What TensorFlow takes a folder for a SavedModel by.
_LOADABLE = ("saved_model.pb", "saved_model.pbtxt")


def add(directory, write):
    """Adds the next version, after what dead exports have left is cleared away.

    Args:
        directory: str. Versions lie in it as `1`, `2`, …; TF Serving loads the highest.
        write: function of a folder that is not there yet. Makes it, with a SavedModel in it. TF
            Serving looks at names that are numbers only, so it does not see it until it is whole.

    Returns:
        str, the path of the version.

    Raises:
        OSError, tf.errors.OpError: the directory cannot be written.
    """
    tf.io.gfile.makedirs(directory)
    if _REMOTE.match(directory):
        # Nothing tells whether who writes to a bucket still lives.
        unfinished.warn(unfinished.listed(directory))
        folder = tf.io.gfile.join(directory, f"{unfinished.PREFIX}{uuid.uuid4().hex}")
        try:
            write(folder)
            path = tf.io.gfile.join(directory, str(_next(directory)))
            _move_objects(folder, path)
        finally:
            if tf.io.gfile.exists(folder):
                tf.io.gfile.rmtree(folder)
        return path
    unfinished.clear(directory)
    with unfinished.claimed(directory) as folder:
        write(folder)
        # A name that outlives a power cut, before contents that do, would be half a model.
        _flush(folder)
        path = _rename(folder, directory)
        _flush_one(directory)
    return path


def _rename(folder, directory):
    """Gives a folder the next number; another export may take that one at the same moment."""
    while True:
        path = os.path.join(directory, str(_next(directory)))
        try:
            os.rename(folder, path)
            return path
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _move_objects(folder, target):
    """Moves a SavedModel of a bucket; until all of it is there, nothing takes the target for one.

    Each object is copied by itself, in the order of names, which would put `saved_model.pb` before
    `variables/`: it goes last.
    """
    names = [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, files in tf.io.gfile.walk(folder)
        for name in files
    ]
    for name in sorted(names, key=lambda name: (name in _LOADABLE, name)):
        tf.io.gfile.rename(f"{folder}/{name}", f"{target}/{name}")


def _next(directory):
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(directory)]
    return 1 + max((int(name) for name in names if re.fullmatch("[0-9]+", name)), default=0)


def _flush(folder):
    """Has the disk hold everything below a folder, and the folder's own entries."""
    for place, _, files in os.walk(folder):
        for name in files:
            _flush_one(os.path.join(place, name))
        _flush_one(place)


def _flush_one(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems know no such thing for a folder.
        if error.errno != errno.EINVAL or not os.path.isdir(path):
            raise
    finally:
        os.close(handle)
