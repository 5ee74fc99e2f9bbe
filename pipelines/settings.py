"""What a run is told: the settings of its numbers, and those of what is seen and kept of it."""

import dataclasses
import re

import gin
import keras_perceiver_ar as kpar
from pipelines.checks import check_flag, check_integer, check_number
from pipelines.errors import UserError

_MOST = 2**31 - 1  # steps and rows are int32 somewhere


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
        ema_decay: float in (0, 1) or None. The mean of the weights over steps that is kept beside
            them, each step counting this much less than the next; evaluation, generation and
            exports then use it.
        weight_decay_except: tuple of str. Regular expressions: weights whose path one of them is
            found in do not decay, such as ("bias", "norm", "embedding").
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
    ema_decay: float | None = None
    weight_decay_except: tuple = ()
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
            check_integer(f"TrainSettings.{name}", getattr(self, name), most=_MOST)
        for name in ("evaluation_interval", "evaluation_batch_size", "evaluation_batches"):
            check_integer(f"TrainSettings.{name}", getattr(self, name), most=_MOST, optional=True)
        check_integer("TrainSettings.seed", self.seed, least=0, most=2**31 - 1)
        self.check_microbatches()
        check_number("TrainSettings.z_loss", self.z_loss)
        check_number("TrainSettings.label_smoothing", self.label_smoothing)
        if self.label_smoothing >= 1:
            raise UserError(
                f"TrainSettings.label_smoothing must be less than 1, got {self.label_smoothing!r}"
            )
        check_number("TrainSettings.ema_decay", self.ema_decay, optional=True, above=True)
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise UserError(f"TrainSettings.ema_decay must be less than 1, got {self.ema_decay!r}")
        _check_patterns("TrainSettings.weight_decay_except", self.weight_decay_except)
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

    def prepare(self, optimizer, variables):
        """Tells an optimizer of the average and of the weights that do not decay, and builds it.

        Args:
            optimizer: Keras optimizer, not built yet.
            variables: list of the variables that are trained.

        Raises:
            UserError: a pattern that is found in no path.
        """
        if self.ema_decay is not None:
            optimizer.use_ema, optimizer.ema_momentum = True, self.ema_decay
        kept = []
        for pattern in self.weight_decay_except:
            found = [variable for variable in variables if re.search(pattern, variable.path)]
            if not found:
                raise UserError(
                    f"TrainSettings.weight_decay_except: {pattern!r} is found in no weight's path, "
                    f"such as {variables[0].path}"
                )
            kept += found
        if kept:
            optimizer.exclude_from_weight_decay(var_list=kept)
        optimizer.build(variables)
        if optimizer.use_ema:
            # Keras begins with zeros, which a run that stops before its first step would keep.
            averages = optimizer._model_variables_moving_average
            for variable, average in zip(variables, averages, strict=True):
                average.assign(variable)


@gin.configurable(module="pipelines")
@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What is seen and kept of a run, and where it begins. No step is computed otherwise for it.

    Args:
        log_interval: int. Steps between two lines of `train_log.jsonl`, each about one step.
        summary_interval: int or None. Steps between two points of TensorBoard's curves, at the
            least; None is one for each loop.
        keep_best: str or None. Metric, of those of an evaluation, by which the best checkpoint is
            kept in the folder `best`, a directory of a run by itself.
        asynchronous: bool. Whether training goes on while a checkpoint is written, from a copy of
            it in the host's memory.
        deterministic: bool. Whether operations that are faster in an order of their own keep to
            one, so that a run gives the same bits each time. The wait for input is not told then.
        max_skipped_steps: int. So many steps in a row without finite gradients stop the run.
        divergence: float or None. Nats by which the loss of a loop may lie above the lowest one
            until an alarm is given.
        warm_start: str or None. Where the weights of a new run come from: the directory of another
            run, one of its checkpoints (`DIR/ckpt-100`), or a `.keras` or `.weights.h5` file.
        evaluation_timeout: float. Seconds that `evaluate_continuously` waits for a checkpoint.
    """

    log_interval: int = 1
    summary_interval: int | None = None
    keep_best: str | None = None
    asynchronous: bool = True
    deterministic: bool = False
    max_skipped_steps: int = 20
    divergence: float | None = 1.0
    warm_start: str | None = None
    evaluation_timeout: float = 3600.0

    def __post_init__(self):
        check_integer("RunConfig.log_interval", self.log_interval, most=_MOST)
        check_integer("RunConfig.max_skipped_steps", self.max_skipped_steps, most=_MOST)
        summaries = self.summary_interval
        check_integer("RunConfig.summary_interval", summaries, most=_MOST, optional=True)
        check_number("RunConfig.divergence", self.divergence, optional=True, above=True)
        check_number("RunConfig.evaluation_timeout", self.evaluation_timeout, above=True)
        for name in ("asynchronous", "deterministic"):
            check_flag(f"RunConfig.{name}", getattr(self, name))
        for name in ("keep_best", "warm_start"):
            if not isinstance(value := getattr(self, name), str | None) or value == "":
                raise UserError(f"RunConfig.{name} must be text or None, got {value!r}")


def _check_patterns(name, patterns):
    if not isinstance(patterns, list | tuple) or not all(isinstance(p, str) for p in patterns):
        raise UserError(f"{name} must be a tuple of regular expressions, got {patterns!r}")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"{name}: {pattern!r} is no regular expression: {error}") from error
