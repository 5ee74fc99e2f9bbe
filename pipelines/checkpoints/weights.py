"""From weights to checkpoints and back."""

import logging
import re
import sys

import numpy as np
import tensorflow as tf

from pipelines.checkpoints.description import check_model
from pipelines.checkpoints.files import step_of, whole_checkpoints
from pipelines.command_line import one_line
from pipelines.errors import RunError, UserError


def make_checkpoint(model, optimizer=None, step=None):
    """A checkpoint of every weight under its own path.

    Not of the objects: TensorFlow follows Keras objects by their attributes, and what it does not
    find (a layer in a list) it leaves out without a word. The states of seed generators stay out:
    the seeds of a run follow from its step.

    Args:
        model: Keras model.
        optimizer: built Keras optimizer, or None.
        step: `tf.Variable` or None.

    Returns:
        `tf.train.Checkpoint`.
    """
    parts = {"model": _by_path(model.weights)}
    if optimizer is not None:
        averages = pairs_of_averages(model, optimizer)
        # Less the optimizer's own name, which Keras numbers: adam, adam_1, …
        left_out = {id(average) for _, average in averages}
        kept = [
            v
            for v in optimizer.variables
            if not v.path.endswith("/learning_rate") and id(v) not in left_out
        ]
        parts["optimizer"] = _of_optimizer(kept)
        if averages:
            parts["average"] = {weight.path: average.value for weight, average in averages}
    if step is not None:
        parts["step"] = step
    return tf.train.Checkpoint(**parts)


def pairs_of_averages(model, optimizer):
    """list of pairs, a weight and its average over steps; none if the optimizer keeps none."""
    if not optimizer.use_ema:
        return []
    averages = optimizer._model_variables_moving_average
    return list(zip(model.trainable_variables, averages, strict=True))


def _of_optimizer(variables):
    """By path less its beginning; Keras' Adafactor has many of the same, told apart by order."""
    named = {}
    for variable in variables:
        name, number = variable.path.partition("/")[2] or variable.path, 0
        while (key := f"{name}_{number}" if number else name) in named:
            number += 1
        named[key] = variable.value
    return named


def _by_path(variables):
    named = {variable.path: variable.value for variable in variables}
    if len(named) != len(variables):
        raise ValueError(f"two of these variables have the same path: {sorted(named)}")
    return named


_END = "/.ATTRIBUTES/VARIABLE_VALUE"


class Torn(Exception):
    """A checkpoint whose files do not say what was written into them."""


# What TensorFlow raises when a file is cut or a checksum is wrong. Others are the network's.
_OF_TORN_FILES = (
    IndexError,
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
)
# What TensorFlow logs, a line for each variable, when it forgets a checkpoint that it could not
# read to the end: maybe long after, and nothing that `restore` has not told.
_UNRESTORED = ("Value in checkpoint could not be found", "Detecting that an object or model or tf.")
logging.getLogger("tensorflow").addFilter(
    lambda record: not str(record.msg).startswith(_UNRESTORED)
)
# Its reader of an index knows no kinds, only words.
_TORN = re.compile("checksum|sstable|corrupt|less bytes|truncated", re.IGNORECASE)


def restore(checkpoint, path):
    """Reads a checkpoint whole. TensorFlow compares the checksum of every tensor.

    Args:
        checkpoint: `tf.train.Checkpoint`.
        path: str.

    Raises:
        Torn: the files are damaged. Some variables may have been read by then.
        UserError: it is of another model or optimizer.
        RunError: it cannot be reached.
    """
    try:
        # Partial is right for the weights alone; and TensorFlow would list the rest line by line.
        status = checkpoint.restore(path).expect_partial()
    except (IndexError, tf.errors.OpError) as error:
        raise _what_is_wrong(path, error) from error
    except ValueError as error:  # shapes
        raise UserError(f"checkpoint {path} is of another model: {one_line(error)}") from error
    try:
        status.assert_existing_objects_matched()
    except AssertionError as error:  # it quotes the values, on many lines
        names = re.findall(r"<tf.Variable '([^':]+)", str(error))
        raise UserError(
            f"checkpoint {path} is of another model or optimizer, or of a run without "
            f"TrainSettings.ema_decay: it has no values for {', '.join(names[:3])} …"
        ) from error


def _what_is_wrong(path, error):
    """What to raise for an error of TensorFlow's readers."""
    text = f"checkpoint {path}{{}}: {one_line(error)}"
    if isinstance(error, _OF_TORN_FILES) or _TORN.search(str(error)):
        return Torn(text.format(" is torn"))
    if isinstance(error, tf.errors.InvalidArgumentError):  # another type of number
        return UserError(text.format(" is of another model"))
    return RunError(text.format(" cannot be read") + "; try again")


def restore_newest(model_dir, read, names=None, remedy="bring a copy back"):
    """Reads the newest checkpoint that is not torn, with a warning about those that are.

    Args:
        model_dir: str.
        read: function of a path that raises `Torn`.
        names: paths to choose from, oldest first; None is all that are whole.
        remedy: str. What a message advises where all are torn.

    Returns:
        str, the path, and list of those that are torn. The path is None if there is none at all.

    Raises:
        UserError: all are torn.
    """
    torn = []
    for path in reversed(whole_checkpoints(model_dir) if names is None else names):
        try:
            read(path)
        except Torn as error:
            torn.append(path)
            print(f"warning: {error}; the one before it is tried", file=sys.stderr, flush=True)
        else:
            return path, torn
    if torn:
        raise UserError(f"no checkpoint in {model_dir} can be read ({', '.join(torn)}): {remedy}")
    return None, torn


def restore_weights(model_dir, model, step=None, is_told=False):
    """Reads a model's weights from a checkpoint of a run: their average, if the run keeps one.

    Args:
        model_dir: str.
        model: `PerceiverARCausalLM`.
        step: int or None. None is the newest checkpoint that is not torn.
        is_told: bool. Whether standard error is told which one, for a person who waits.

    Returns:
        int, the step.

    Raises:
        UserError: there is no such checkpoint, or it is of another model, or torn.
        RunError: it cannot be reached.
    """
    check_model(model_dir, model)

    def read(path):
        if is_told:
            line = f"loading step {step_of(path)} of {model_dir}"
            print(line, file=sys.stderr, flush=True)
        restore(_weights_of(model, path), path)

    if step is None:
        path, _ = restore_newest(model_dir, read)
        if path is None:
            raise UserError(f"{model_dir} holds no checkpoint: train first")
        return step_of(path)
    path = tf.io.gfile.join(model_dir, f"ckpt-{step}")
    if path not in whole_checkpoints(model_dir):
        raise UserError(
            f"{model_dir} holds no checkpoint of step {step}: name another with --checkpoint"
        )
    try:
        read(path)
    except Torn as error:
        raise UserError(f"{error}: name another with --checkpoint") from error
    return step


def _weights_of(model, path):
    """What reads a model's weights from a checkpoint, the averages where there are some."""
    if not any(name.startswith("average/") for name in stored_names(path)):
        return make_checkpoint(model)
    others = {"average": _by_path(model.trainable_variables)}
    if model.non_trainable_variables:
        others["model"] = _by_path(model.non_trainable_variables)
    return tf.train.Checkpoint(**others)


def stored_weights(path):
    """dict of the arrays of a model that a checkpoint holds, by name: "model/…", "average/…".

    Raises:
        Torn: it is damaged.
        RunError: it cannot be reached.
    """
    # Not the optimizer's, which are twice as much.
    names = [name for name in stored_names(path) if name.startswith(("model/", "average/"))]
    try:
        reader = tf.train.load_checkpoint(path)
        return {name: np.asarray(reader.get_tensor(f"{name}{_END}")) for name in names}
    except (IndexError, tf.errors.OpError) as error:
        raise _what_is_wrong(path, error) from error


def stored_names(path):
    """list of the names of the variables that a checkpoint holds, "model/…" for one.

    Raises:
        Torn: its index is damaged.
    """
    try:
        names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (IndexError, tf.errors.OpError) as error:
        raise _what_is_wrong(path, error) from error
    return [name.removesuffix(_END) for name in names if name.endswith(_END)]
