"""What a model directory holds, and whether it fits."""

import collections
import contextlib
import json
import re
import uuid

import tensorflow as tf

from pipelines.command_line import user_errors
from pipelines.errors import UserError

MODEL_FILE = "model.json"
OPERATIVE_CONFIG = "operative_config.gin"
# Behind the name of a file that `write_bytes` has not finished; 32 digits come after it.
UNFINISHED = ".unfinished-"
# A run may go on with other values of these: no weight changes its shape or meaning.
_FREE = {"dropout", "rematerialize", "seed", "num_latents", "route"}
# Compared only where both sides know them: runs of before they were kept do not.
_OF_RUN = ("task", "optimizer", "data", "codec")


def check_model(model_dir, model, task=None, optimizer=None):
    """Refuses a directory that holds another model; one that holds none yet will do.

    Args:
        model_dir: str.
        model: `PerceiverARCausalLM`. If it was made for a task, what its ids stand for must be the
            same too, whatever is done with it.
        task: the run's task, or None if neither it nor the data that it reads matter.
        optimizer: Keras optimizer, or None if it does not matter.

    Raises:
        UserError: names the settings that differ.
    """
    path = tf.io.gfile.join(model_dir, MODEL_FILE)
    if not tf.io.gfile.exists(path) or newest_checkpoint(model_dir) is None:
        return  # there is nothing that settings could spoil
    hint = f" ({path} is torn: delete it)"
    kinds = (ValueError, RecursionError, tf.errors.OpError)
    with user_errors(*kinds, hint=hint), tf.io.gfile.GFile(path) as file:
        saved = json.load(file)
        if not isinstance(saved, dict):
            raise ValueError(f"settings expected, found {saved!r:.40}")
    config = _description(model, task, optimizer)
    free = _FREE | {n for n in _OF_RUN if config.get(n) is None or saved.get(n) is None}
    saved, config = _leaves(saved), _leaves(config)
    differing = collections.defaultdict(list)
    for name in sorted(saved.keys() | config.keys()):
        kind = name.split(".")[0]
        if kind not in free and saved.get(name) != config.get(name):
            difference = f"{name} is {saved.get(name)!r} there and {config.get(name)!r} now"
            differing[kind if kind in ("codec", "data") else "model"].append(difference)
    for kind, message in (
        ("codec", "holds a model whose ids are of another codec ({}): read data of its codec"),
        (
            "model",
            "holds another model ({}): choose another --model_dir, or its settings "
            f"({OPERATIVE_CONFIG} in there)",
        ),
        (
            "data",
            "holds a run on other shards ({}): choose another --model_dir, or go on with the "
            "shards that it began with or a copy of them",
        ),
    ):
        if kind in differing:
            raise UserError(f"{model_dir} {message.format('; '.join(differing[kind]))}")


def describe_model(model_dir, model, task, optimizer):
    """Leaves in a directory what `check_model` compares.

    Args:
        model_dir: str.
        model: `PerceiverARCausalLM`.
        task: the run's task.
        optimizer: Keras optimizer.

    Raises:
        UserError: it cannot be written.
    """
    description = json.dumps(_description(model, task, optimizer), indent=1)
    write_text(tf.io.gfile.join(model_dir, MODEL_FILE), description)


def _description(model, task, optimizer):
    config = {**model.backbone.get_config(), "tie_embeddings": model.tie_embeddings}
    for name, part in (("task", task), ("optimizer", optimizer)):
        config[name] = None if part is None else type(part).__name__
    config["data"] = getattr(task, "fingerprint", None)
    codec = getattr(model, "codec_settings", None)
    config["codec"] = None if codec is None else json.loads(codec)
    return _without_names(json.loads(json.dumps(config)))


def _leaves(value, name=None):
    """Settings of nested objects by their own names: {"cross_attend.after_layers": [1]}."""
    if not isinstance(value, dict):
        return {name: value}
    if "class_name" in value:
        config = value.get("config")
        if not isinstance(config, dict):  # a function: its name
            return {name: config}
        value = {"kind": value["class_name"], **config}
    leaves = {}
    for key, item in value.items():
        leaves |= _leaves(item, f"{name}.{key}" if name else key)
    return leaves


def _without_names(value):
    """Less what says nothing about the weights: Keras numbers the names of layers by process."""
    if isinstance(value, list):
        return [_without_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = ("name", "trainable", "dtype")
    return {key: _without_names(item) for key, item in value.items() if key not in left_out}


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


class CheckpointManager(tf.train.CheckpointManager):
    """TensorFlow's, but one that does not go on where something was not restored.

    It starts from the newest checkpoint whose files are there, whatever the state file says: that
    one may be torn, or older or newer than the files after a crash or a copy.
    """

    def __init__(self, checkpoint, directory, **kwargs):
        newest = newest_checkpoint(directory)
        state = tf.train.get_checkpoint_state(directory)
        if newest is not None and (state is None or state.model_checkpoint_path != newest):
            print(f"going on from {newest}, the newest checkpoint whose files are there")
            tf.compat.v1.train.update_checkpoint_state(
                directory, newest, all_model_checkpoint_paths=_whole_checkpoints(directory)
            )
        super().__init__(checkpoint, directory, **kwargs)

    def restore_or_initialize(self):
        """Restores the newest checkpoint, all of it.

        Returns:
            str, its path, or None if there is none.

        Raises:
            UserError: it is torn, or of another model or optimizer.
        """
        if self.latest_checkpoint is not None:
            _restore(self.checkpoint, self.latest_checkpoint)
        return self.latest_checkpoint


def newest_checkpoint(model_dir):
    """Path of the newest checkpoint whose files are there, or None."""
    paths = _whole_checkpoints(model_dir)
    return paths[-1] if paths else None


def step_of(path):
    """int. The step that a checkpoint is named for."""
    return int(path.rsplit("-", 1)[1])


def _whole_checkpoints(model_dir):
    """Paths of the checkpoints of which no file is missing, oldest first."""
    names = tf.io.gfile.listdir(model_dir) if tf.io.gfile.isdir(model_dir) else []
    found = [re.fullmatch(r"ckpt-(\d+)\.(?:index|data-(\d+)-of-(\d+))", name) for name in names]
    files = collections.defaultdict(list)
    for match in filter(None, found):
        files[int(match[1])].append(match[3])  # of how many, None for the index
    return [
        tf.io.gfile.join(model_dir, f"ckpt-{step}")
        for step, shards in sorted(files.items())
        if None in shards and any(n and shards.count(n) == int(n) for n in shards)
    ]


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
        # Less the optimizer's own name, which Keras numbers: adam, adam_1, …
        kept = [v for v in optimizer.variables if not v.path.endswith("/learning_rate")]
        parts["optimizer"] = _by_path(kept, skip=1)
    if step is not None:
        parts["step"] = step
    return tf.train.Checkpoint(**parts)


def _by_path(variables, skip=0):
    named = {"/".join(v.path.split("/")[skip:]): v.value for v in variables}
    if len(named) != len(variables):
        raise ValueError(f"two of these variables have the same path: {sorted(named)}")
    return named


def _restore(checkpoint, path):
    hint = (
        f" (checkpoint {path}: torn, or of another model or optimizer; if torn, delete {path}.* "
        "and the newest one before it serves)"
    )
    with user_errors(ValueError, IndexError, tf.errors.OpError, hint=hint):
        # Partial is right for the weights alone; and TensorFlow would list the rest line by line.
        status = checkpoint.restore(path).expect_partial()
        try:
            status.assert_existing_objects_matched()
        except AssertionError as error:  # it quotes the values, on many lines
            names = re.findall(r"<tf.Variable '([^':]+)", str(error))
            raise UserError(f"no values for {', '.join(names[:3])} …{hint}") from error


def restore_weights(model_dir, model, step=None):
    """Reads a model's weights from a checkpoint of a run.

    Args:
        model_dir: str.
        model: `PerceiverARCausalLM`.
        step: int or None. None is the newest checkpoint.

    Returns:
        int, the step.

    Raises:
        UserError: there is no such checkpoint, or it is of another model, or torn.
    """
    check_model(model_dir, model)
    if step is None:
        path = newest_checkpoint(model_dir)
        if path is None:
            raise UserError(f"{model_dir} holds no checkpoint: train first")
    else:
        path = tf.io.gfile.join(model_dir, f"ckpt-{step}")
        if path not in _whole_checkpoints(model_dir):
            raise UserError(
                f"{model_dir} holds no checkpoint of step {step}: name another with --checkpoint"
            )
    _restore(make_checkpoint(model), path)
    return step_of(path)
