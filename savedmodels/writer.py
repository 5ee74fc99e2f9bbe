"""Numbered versions of a SavedModel, each whole or not to be loaded at all."""

import contextlib
import io
import os
import re
import uuid

import keras
import tensorflow as tf

from pipelines.command_line import user_errors
from savedmodels import signatures

_REMOTE = re.compile("[a-z][a-z0-9+.-]*://")
# What TensorFlow takes a folder for a SavedModel by.
_LOADABLE = ("saved_model.pb", "saved_model.pbtxt")


def write_version(model, directory, text, positions=None):
    """Writes the next version of a model.

    Args:
        model: `PerceiverARCausalLM`.
        directory: str. Versions lie in it as `1`, `2`, …; TF Serving loads the highest.
        text: bool. Whether the model's ids are bytes of text, and `generate_text` makes sense.
        positions: int32 (E, P), those of the events of every document, or None, which is 1, 2, …

    Returns:
        str, the path of the version, and the names of its signatures.

    Raises:
        UserError: the directory cannot be written.
    """
    score = _trace(signatures.make_score(model, positions), signatures.SCORE_INPUTS)
    generate = _trace(signatures.make_generate(model, positions), signatures.GENERATE_INPUTS)
    endpoints = {"serving_default": score, "score": score, "generate": generate}
    if text:
        generate_text = signatures.make_generate_text(generate, model.backbone.max_context)
        endpoints["generate_text"] = _trace(generate_text, signatures.GENERATE_TEXT_INPUTS)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
    with user_errors(OSError, tf.errors.OpError):
        tf.io.gfile.makedirs(directory)
        # TF Serving looks at names that are numbers only, so it sees the version after it is moved.
        unfinished = tf.io.gfile.join(directory, f"unfinished-{uuid.uuid4().hex}")
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # Keras lists what it saves
                archive.write_out(unfinished, verbose=False)
            # Numbered last: another export may have been quicker.
            path = tf.io.gfile.join(directory, str(1 + max(_versions(directory), default=0)))
            _move(unfinished, path)
        finally:
            if tf.io.gfile.exists(unfinished):
                tf.io.gfile.rmtree(unfinished)
    return path, tuple(endpoints)


def _move(folder, target):
    """Moves a SavedModel; until all of it is there, nothing takes the target for one.

    On a disk a folder is moved at once. In a bucket each object is copied by itself, in the order
    of names, which would put `saved_model.pb` before `variables/`: it goes last.
    """
    if not _REMOTE.match(folder):
        return tf.io.gfile.rename(folder, target)
    names = [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, files in tf.io.gfile.walk(folder)
        for name in files
    ]
    for name in sorted(names, key=lambda name: (name in _LOADABLE, name)):
        tf.io.gfile.rename(f"{folder}/{name}", f"{target}/{name}")


def _trace(function, inputs):
    """A function to be saved, which TensorFlow and Keras trace as often as they like.

    It calls the trace of the given one, and so does whoever calls it.
    """
    with user_errors(ValueError):
        traced = tf.function(function, autograph=False).get_concrete_function(*inputs)
    function = tf.function(lambda *arguments: traced(*arguments), autograph=False)
    function.get_concrete_function(*inputs)
    return function


def _versions(directory):
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(directory)]
    return [int(name) for name in names if re.fullmatch("[0-9]+", name)]
