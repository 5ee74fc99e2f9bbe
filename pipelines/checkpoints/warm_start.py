"""The weights that a new run begins with, from somewhere else."""

import os
import warnings
import zipfile

import tensorflow as tf

from pipelines.checkpoints.files import whole_checkpoints
from pipelines.checkpoints.weights import pairs_of_averages, restore_newest, stored_weights
from pipelines.command_line import one_line, user_errors
from pipelines.errors import UserError

_OF_KERAS = (".keras", ".weights.h5")
_SHOWN = 20
_LONGEST = 400  # letters


def warm_start(source, model, optimizer):
    """Sets a model's weights, and says which did not match.

    Args:
        source: str. Directory of a run (its newest checkpoint), one of its checkpoints
            (`DIR/ckpt-100`), or a file that Keras wrote, such as `kpar.convert` makes with
            `model.save`. Weights are matched by path in a checkpoint and by structure in a file;
            a checkpoint's averages come before its weights.
        model: `PerceiverARCausalLM`.
        optimizer: Keras optimizer, built. Its averages begin with the weights.

    Raises:
        UserError: there is nothing of the kind, it is torn, or nothing matches.
    """
    if source.endswith(_OF_KERAS):
        taken, left = _from_keras(source, model)
    else:
        taken, left = _from_checkpoint(source, model)
    if not taken:
        some = "; ".join(left)[:_LONGEST]
        raise UserError(f"RunConfig.warm_start: no weight of {source} matches: {some}")
    for weight, average in pairs_of_averages(model, optimizer):
        average.assign(weight.value)
    print(f"warm start from {source}: {taken} of {len(model.weights)} weights match", flush=True)
    for line in left[:_SHOWN]:
        print(f"  left as it was: {line}")
    if len(left) > _SHOWN:
        print(f"  and {len(left) - _SHOWN} more")


def _from_keras(source, model):
    if not tf.io.gfile.exists(source):
        raise UserError(f"RunConfig.warm_start: there is no file {source}")
    before = [weight.numpy() for weight in model.weights]
    kinds = (ValueError, OSError, KeyError, zipfile.BadZipFile, tf.errors.OpError)
    unreadable = user_errors(*kinds, hint=f" (RunConfig.warm_start: {source})")
    with warnings.catch_warnings(record=True) as caught, unreadable:
        warnings.simplefilter("always")
        model.load_weights(source, skip_mismatch=True)
    left = [one_line(warning.message) for warning in caught]
    # Keras warns by layers. Where it does not, all was read, whether that changed it or not.
    pairs = zip(before, model.weights, strict=True)
    same = sum((old == weight.numpy()).all() for old, weight in pairs) if left else 0
    return len(before) - int(same), left


def _from_checkpoint(source, model):
    paths = whole_checkpoints(source)
    if not paths and source in whole_checkpoints(os.path.dirname(source) or "."):
        paths = [source]
    if not paths:
        raise UserError(
            f"RunConfig.warm_start: {source} is no run's directory with a checkpoint, none of its "
            f"checkpoints (DIR/ckpt-100), and no {' or '.join(_OF_KERAS)} file"
        )
    stored = {}
    restore_newest(source, lambda path: stored.update(values=stored_weights(path)), paths)
    values, left, taken = stored["values"], [], 0
    for weight in model.weights:
        names = (f"{group}/{weight.path.replace('/', '.S')}" for group in ("average", "model"))
        name = next((name for name in names if name in values), None)
        if name is None:
            left.append(f"{weight.path} is not there")
        elif (shape := values[name].shape) != tuple(weight.shape):
            left.append(f"{weight.path} has the shape {shape} there and {weight.shape} here")
        else:
            weight.assign(values[name])
            taken += 1
    here = {weight.path.replace("/", ".S") for weight in model.weights}
    there = {name.partition("/")[2] for name in values if name.startswith("model/")}
    left += [f"{name.replace('.S', '/')} is there alone" for name in sorted(there - here)]
    return taken, left
