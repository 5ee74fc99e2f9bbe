"""The files of checkpoints: which are whole, which are in the way."""

import collections
import re

import tensorflow as tf

from pipelines.atomic_files import remove_if_there

_FILE = re.compile(r"ckpt-(\d+)\.(?:index|data-(\d+)-of-(\d+))")
# What TensorFlow leaves where it is stopped while it writes, as large as a checkpoint.
_UNFINISHED = re.compile(r"ckpt-\d+(_temp/?|\.\S*\.tempstate\d+)")
_TORN = ".torn"


def newest_checkpoint(model_dir):
    """Path of the newest checkpoint whose files are there, or None."""
    paths = whole_checkpoints(model_dir)
    return paths[-1] if paths else None


def step_of(path):
    """int. The step that a checkpoint is named for."""
    return int(path.rsplit("-", 1)[1])


def whole_checkpoints(model_dir):
    """Paths of the checkpoints of which no file is missing, oldest first."""
    names = tf.io.gfile.listdir(model_dir) if tf.io.gfile.isdir(model_dir) else []
    found = map(_FILE.fullmatch, names)
    files = collections.defaultdict(list)
    for match in filter(None, found):
        files[int(match[1])].append(match[3])  # of how many, None for the index
    return [
        tf.io.gfile.join(model_dir, f"ckpt-{step}")
        for step, shards in sorted(files.items())
        if None in shards and any(n and shards.count(n) == int(n) for n in shards)
    ]


def set_aside(path):
    """Takes a checkpoint that cannot be read out of the way, and keeps its files."""
    tf.io.gfile.rename(f"{path}.index", f"{path}.index{_TORN}", overwrite=True)


def remove_unfinished(model_dir):
    """Removes what a process that was killed while it saved has left. No other may be saving."""
    for name in tf.io.gfile.listdir(model_dir):
        path = tf.io.gfile.join(model_dir, name)
        if _UNFINISHED.fullmatch(name):
            if tf.io.gfile.isdir(path):
                tf.io.gfile.rmtree(path)
            else:
                remove_if_there(path)
