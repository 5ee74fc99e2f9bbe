"""What a model directory holds, and whether it fits."""

import json

import tensorflow as tf

from pipelines.command_line import user_errors
from pipelines.errors import UserError

MODEL_FILE = "model.json"
# A run may go on with other values of these: no weight changes its shape or meaning.
_FREE = {"name", "trainable", "dtype", "dropout", "seed", "num_latents"}


def check_model(model_dir, model):
    """Refuses a directory that holds checkpoints of another model; else leaves a description there.

    Args:
        model_dir: str.
        model: `PerceiverARCausalLM`.

    Raises:
        UserError: names the first settings that differ.
    """
    path = tf.io.gfile.join(model_dir, MODEL_FILE)
    config = json.loads(json.dumps(model.backbone.get_config()))
    if tf.io.gfile.exists(path):
        hint = f" ({path} is torn: delete it)"
        with user_errors(ValueError, tf.errors.OpError, hint=hint), tf.io.gfile.GFile(path) as file:
            saved = json.load(file)
        differing = [
            f"{name} is {saved.get(name)!r} there and {config.get(name)!r} now"
            for name in sorted(saved.keys() | config.keys())
            if name not in _FREE and saved.get(name) != config.get(name)
        ]
        if differing:
            raise UserError(
                f"{model_dir} holds another model ({'; '.join(differing)}): "
                "choose another --model_dir, or its settings"
            )
    else:
        write_text(path, json.dumps(config, indent=1))


def write_text(path, text):
    """Writes a small file whole or not at all.

    Args:
        path: str, local or remote.
        text: str.

    Raises:
        UserError: it cannot be written.
    """
    unfinished = f"{path}.unfinished"
    with user_errors(tf.errors.OpError):
        with tf.io.gfile.GFile(unfinished, "w") as file:
            file.write(text)
        tf.io.gfile.rename(unfinished, path, overwrite=True)


class CheckpointManager(tf.train.CheckpointManager):
    """TensorFlow's, but one that does not go on where something was not restored."""

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
        parts["optimizer"] = _by_path(optimizer.variables, skip=1)
    if step is not None:
        parts["step"] = step
    return tf.train.Checkpoint(**parts)


def _by_path(variables, skip=0):
    named = {"/".join(v.path.split("/")[skip:]): v.value for v in variables}
    if len(named) != len(variables):
        raise ValueError(f"two of these variables have the same path: {sorted(named)}")
    return named


def _restore(checkpoint, path):
    kinds = (ValueError, AssertionError, IndexError, tf.errors.OpError)
    with user_errors(*kinds, hint=f" (checkpoint {path}: torn, or of another model or optimizer)"):
        # Partial is right for the weights alone; and TensorFlow would list the rest line by line.
        status = checkpoint.restore(path).expect_partial()
        status.assert_existing_objects_matched()


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
    if step is None:
        with user_errors(ValueError, tf.errors.OpError):
            state = tf.train.get_checkpoint_state(model_dir)
        if state is None or not state.model_checkpoint_path:
            raise UserError(f"{model_dir} holds no checkpoint: train first")
        path = state.model_checkpoint_path
    else:
        path = tf.io.gfile.join(model_dir, f"ckpt-{step}")
    if not tf.io.gfile.exists(path + ".index"):
        step = path.rsplit("-", 1)[1]
        raise UserError(
            f"{model_dir} holds no checkpoint of step {step}: name another with --checkpoint"
        )
    _restore(make_checkpoint(model), path)
    return int(path.rsplit("-", 1)[1])
