"""What gin can reach, and how a run is put together from it."""

import dataclasses
import json
import pathlib
import re

import keras
import tensorflow as tf

import gin
import keras_perceiver_ar as kpar
from pipelines.checkpoints import OPERATIVE_CONFIG, write_text
from pipelines.checks import check_integer, check_number
from pipelines.command_line import user_errors
from pipelines.data import BooksTask, CopyTask, LatentCrop, RandomCrop, ShardsTask
from pipelines.errors import UserError
from pipelines.gin_checks import check_macros
from pipelines.optimizer_checks import check_optimizer
from pipelines.position_checks import check_positions

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

for _configurable, _module in (
    (BooksTask, "tasks"),
    (CopyTask, "tasks"),
    (ShardsTask, "tasks"),
    (LatentCrop, "tasks"),
    (RandomCrop, "tasks"),
    (kpar.models.AttentionRoute, "models"),
    (kpar.models.CrossAttend, "models"),
    (kpar.models.DropoutRates, "models"),
    (kpar.models.LatentQuery, "models"),
    (kpar.models.PerceiverARBackbone, "models"),
    (kpar.layers.PositionEmbedding, "layers"),
    (kpar.layers.RotaryEmbedding, "layers"),
    (kpar.training.OptaxAdafactor, "optimizers"),
    (kpar.training.OptaxAdam, "optimizers"),
    (kpar.training.OptaxLamb, "optimizers"),
    (kpar.training.OptaxSGD, "optimizers"),
    (kpar.training.SM3, "optimizers"),
    (keras.optimizers.Adafactor, "optimizers"),
    (keras.optimizers.Adam, "optimizers"),
    (keras.optimizers.AdamW, "optimizers"),
    (keras.optimizers.Lamb, "optimizers"),
    (keras.optimizers.SGD, "optimizers"),
    (kpar.training.ConstantWithWarmup, "schedules"),
    (kpar.training.CosineWithWarmup, "schedules"),
    (kpar.training.InverseSquareRoot, "schedules"),
    (kpar.training.StepsWithWarmup, "schedules"),
    (keras.optimizers.schedules.CosineDecay, "schedules"),
):
    gin.external_configurable(_configurable, module=_module)
_make_causal_lm = gin.external_configurable(kpar.models.PerceiverARCausalLM, module="models")


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
            model = _make_causal_lm(backbone)
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


@gin.configurable(module="pipelines")
@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How long, how much at once, and what is kept.

    Args:
        steps: int. Steps in all, those of earlier starts included.
        batch_size: int. Rows of the global batch, over all replicas.
        normalization: "sum" over labels as in the original, or "mean".
        z_loss: float. Weight of log²Z.
        label_smoothing: float in [0, 1). Probability that a target gives away to the other tokens.
        num_microbatches: int. Parts of a replica's rows that are computed one after the other, in
            less memory. The step is the same.
        clip_norm: float or None. Global norm to which gradients are clipped, after the sum over
            microbatches and replicas.
        seed: int. Of the data, the weights and the dropout.
        steps_per_loop: int. Steps on the device between two looks from the host.
        checkpoint_interval: int. Steps.
        keep_checkpoints: int. The newest ones are kept.
        evaluation_interval: int or None. Steps between evaluations; None evaluates at the end only.
        evaluation_split: str.
        evaluation_batch_size: int or None. None is `batch_size`.
        evaluation_batches: int or None. The first so many batches of the split are evaluated, the
            figures say so; None is all of them.
        jit_compile: bool or None. Whether XLA compiles the step; None leaves it to the device.
    """

    steps: int
    batch_size: int
    normalization: str = "sum"
    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    num_microbatches: int = 1
    clip_norm: float | None = 1.0
    seed: int = 0
    steps_per_loop: int = 100
    checkpoint_interval: int = 1000
    keep_checkpoints: int = 3
    evaluation_interval: int | None = None
    evaluation_split: str = "validation"
    evaluation_batch_size: int | None = None
    evaluation_batches: int | None = None
    jit_compile: bool | None = None

    def __post_init__(self):
        if self.normalization not in kpar.training.NORMALIZATIONS:
            raise UserError(
                f"TrainSettings.normalization must be one of {kpar.training.NORMALIZATIONS}, "
                f"got {self.normalization!r}"
            )
        if self.jit_compile not in (True, False, None):
            raise UserError(
                f"TrainSettings.jit_compile must be True, False or None, got {self.jit_compile!r}"
            )
        for name in (
            "steps",
            "batch_size",
            "num_microbatches",
            "steps_per_loop",
            "checkpoint_interval",
            "keep_checkpoints",
        ):
            check_integer(f"TrainSettings.{name}", getattr(self, name))
        for name in ("evaluation_interval", "evaluation_batch_size", "evaluation_batches"):
            check_integer(f"TrainSettings.{name}", getattr(self, name), optional=True)
        check_integer("TrainSettings.seed", self.seed, least=0, most=2**31 - 1)
        self.check_microbatches()
        check_number("TrainSettings.z_loss", self.z_loss)
        check_number("TrainSettings.label_smoothing", self.label_smoothing)
        if self.label_smoothing >= 1:
            raise UserError(
                f"TrainSettings.label_smoothing must be less than 1, got {self.label_smoothing!r}"
            )
        check_number("TrainSettings.clip_norm", self.clip_norm, optional=True, above=True)

    def check_microbatches(self, num_replicas=1):
        """Refuses a batch that does not divide into microbatches.

        Args:
            num_replicas: int. How many share a batch.

        Raises:
            UserError: names the batch and what would do.
        """
        rows, parts = self.batch_size // num_replicas, self.num_microbatches
        if rows % parts:
            shared = f" ({rows} rows for each of {num_replicas} replicas)"
            raise UserError(
                f"TrainSettings.batch_size is {self.batch_size}"
                f"{shared if num_replicas > 1 else ''}, which cannot be cut into "
                f"TrainSettings.num_microbatches = {parts}: choose a multiple of "
                f"{parts * num_replicas}"
            )


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
        places = [place for place in (name, str(REPOSITORY / name)) if tf.io.gfile.exists(place)]
        if not places:  # gin would print a line of its own
            raise UserError(f"no gin file {name}: looked for it here and in {REPOSITORY}")
        unreadable = user_errors(ValueError, tf.errors.OpError, hint=f" (--gin_file={name})")
        with unreadable, tf.io.gfile.GFile(places[0]) as file:
            file.read()
    kinds = (ValueError, SyntaxError, OSError, ImportError, AttributeError)
    with user_errors(*kinds):
        gin.parse_config_files_and_bindings(files, [], finalize_config=False)
    for binding in bindings:
        with user_errors(*kinds, hint=f" (in --gin_bindings={binding!r})"):
            gin.parse_config(binding)
    check_macros(bindings)
    missing = re.findall(r"^(\w+) = %gin.REQUIRED", gin.config_str(), re.MULTILINE)
    if missing:
        raise UserError(
            f"the run needs a value for {', '.join(missing)}: "
            f"give --gin_bindings=\"{missing[0]} = 'VALUE'\""
        )


def make(configurable):
    """Calls a gin configurable.

    Raises:
        UserError: settings that are missing or refused.
    """
    with user_errors(ValueError, TypeError, RuntimeError):
        return configurable()


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
