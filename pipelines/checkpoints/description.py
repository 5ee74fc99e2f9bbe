"""What a directory's checkpoints are of, and whether that fits."""

import collections
import json

import tensorflow as tf

from pipelines.atomic_files import write_text
from pipelines.checkpoints.files import newest_checkpoint
from pipelines.command_line import user_errors
from pipelines.errors import UserError

MODEL_FILE = "model.json"
OPERATIVE_CONFIG = "operative_config.gin"
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
