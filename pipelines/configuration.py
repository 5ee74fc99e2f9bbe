"""What gin can reach, and how a run is put together from it."""

import dataclasses
import json
import pathlib
import sys

import keras
import tensorflow as tf

import gin
from pipelines import gin_changes, gin_reading
from pipelines.atomic_files import write_text, writing
from pipelines.checkpoints import OPERATIVE_CONFIG, newest_checkpoint
from pipelines.command_line import user_errors
from pipelines.data import BooksTask, CopyTask, InputFnTask, LatentCrop, RandomCrop, ShardsTask
from pipelines.errors import UserError
from pipelines.gin_models import make_causal_lm
from pipelines.optimizer_checks import check_optimizer
from pipelines.position_checks import check_positions
from pipelines.settings import RunConfig, TrainSettings  # noqa: F401 (for gin to know them)

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

for _configurable, _module in (
    (BooksTask, "tasks"),
    (CopyTask, "tasks"),
    (InputFnTask, "tasks"),
    (ShardsTask, "tasks"),
    (LatentCrop, "tasks"),
    (RandomCrop, "tasks"),
):
    gin.external_configurable(_configurable, module=_module)


@gin.configurable(module="pipelines")
@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is trained on what.

    Args:
        task: `CopyTask`, `BooksTask` or an object with their methods.
        backbone: function that makes a `PerceiverARBackbone`, given `vocab_size`.
        optimizer: function that makes a Keras optimizer.
    """

    task: object
    backbone: object
    optimizer: object

    def __post_init__(self):
        if not hasattr(self.task, "train_dataset") or isinstance(self.task, type):
            raise UserError(
                "Experiment.task must be a task, such as @CopyTask() with brackets, "
                f"got {self.task!r}"
            )
        for name in ("backbone", "optimizer"):
            if not callable(getattr(self, name)):
                raise UserError(
                    f"Experiment.{name} must be a name without brackets, such as "
                    f"@PerceiverARBackbone or @Adam, got {getattr(self, name)!r}"
                )

    def make_model(self):
        """A new model: `PerceiverARCausalLM`.

        Raises:
            UserError: sizes that do not fit each other, or positions that do not fit the task's.
        """
        with user_errors(ValueError, TypeError):
            backbone = self.backbone(vocab_size=self.task.vocab_size)
            check_positions(self.task, backbone)
            model = make_causal_lm(backbone)
        # What its ids stand for goes with it to wherever weights are read, for `checkpoints` to
        # compare. As text, since Keras would track an object.
        codec = getattr(self.task, "codec_settings", None)
        model.codec_settings = None if codec is None else json.dumps(codec)
        return model

    def make_optimizer(self):
        """A new optimizer.

        Raises:
            UserError: a setting that the optimizer refuses.
        """
        with user_errors(ValueError, TypeError, tf.errors.OpError):
            optimizer = self.optimizer()
            if not isinstance(optimizer, keras.optimizers.Optimizer):
                raise UserError(f"Experiment.optimizer makes no Keras optimizer: {optimizer!r}")
            check_optimizer(optimizer)
            return optimizer


def parse(files, bindings):
    """Reads gin files, then bindings; paths are looked up here and in the repository.

    Args:
        files: list of str.
        bindings: list of str.

    Raises:
        UserError: a file that is not there, an unknown name, a value that is required and missing.
    """
    gin.add_config_file_search_path(str(REPOSITORY))
    for name in files:
        read_file(name)
    gin_reading.parse(files, bindings)


def read_file(name):
    """The text of a gin file, which is looked up here and in the repository.

    Args:
        name: str.

    Returns:
        str.

    Raises:
        UserError: it is not there, or no text.
    """
    places = [place for place in (name, str(REPOSITORY / name)) if tf.io.gfile.exists(place)]
    if not places:  # gin would print a line of its own
        raise UserError(f"no gin file {name}: looked for it here and in {REPOSITORY}")
    unreadable = user_errors(ValueError, tf.errors.OpError, hint=f" (--gin_file={name})")
    with unreadable, tf.io.gfile.GFile(places[0]) as file:
        return file.read()


def is_told():
    """bool. Whether gin has been told anything at all."""
    return bool(gin.config_str().strip())


def read_model_dir(model_dir, files=(), bindings=()):
    """Reads the configuration of an earlier run.

    Args:
        model_dir: str, local or remote.
        files: gin files that come after it.
        bindings: gin bindings that come after those.

    Raises:
        UserError: the directory holds no run.
    """
    path = tf.io.gfile.join(model_dir, OPERATIVE_CONFIG)
    if not tf.io.gfile.exists(path):
        raise UserError(
            f"{model_dir} holds no {OPERATIVE_CONFIG}: give the --model_dir of a training run"
        )
    hint = f" ({path} is torn: train once more with the same flags to have it written again)"
    kinds = (ValueError, SyntaxError, tf.errors.OpError)
    with user_errors(*kinds, hint=hint), tf.io.gfile.GFile(path) as file:
        gin.parse_config(file.read())
        for name in ("Experiment.task", "TrainSettings.steps"):  # the first lines and the last
            gin.query_parameter(name)
    parse(list(files), list(bindings))


def write_operative_config(model_dir):
    """Leaves the configuration that was really used beside the checkpoints."""
    write_text(tf.io.gfile.join(model_dir, OPERATIVE_CONFIG), gin.operative_config_str())


def warn_of_changes(model_dir):
    """Says on standard error what a run that goes on is now told otherwise.

    What would make its weights useless `checkpoints.check_model` has refused by then; the rest is
    for the person to decide.

    Args:
        model_dir: str.
    """
    path = tf.io.gfile.join(model_dir, OPERATIVE_CONFIG)
    if newest_checkpoint(model_dir) is None or not tf.io.gfile.exists(path):
        return
    with writing(path), tf.io.gfile.GFile(path) as file:
        before = file.read()
    try:
        lines = gin_changes.changes(before, gin.operative_config_str())
    except SyntaxError:
        lines = [f"{path} is torn, and what it was like before is not known"]
    for line in lines:
        if not line.startswith(("RunConfig.", "TrainSettings.steps_per_loop")):
            print(f"warning: changed since the last start: {line}", file=sys.stderr, flush=True)
