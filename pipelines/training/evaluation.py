"""Evaluation of a checkpoint: from a model directory alone to figures, a table and JSON."""

import datetime
import functools
import json
import sys
import time

import rich.console
import rich.table
import tensorflow as tf

from pipelines import checkpoints, configuration
from pipelines.command_line import user_errors
from pipelines.configuration import Experiment, TrainSettings
from pipelines.distribution import Distribution, is_chief
from pipelines.errors import UserError
from pipelines.gin_checks import check_used
from pipelines.training.evaluator import Evaluator, left_out
from pipelines.training.input import check_batch_size, data_errors, distribute

# What a figure counts, for a reader of the table.
_UNITS = {
    "accuracy": "of the targets, guessed right",
    "bits_per_byte": "bits for each byte of text",
    "bits_per_dim": "bits for each colour value",
    "word_perplexity": "e to the nats for each word",
    "loss": "nats for each target",
    "targets": "tokens scored",
    "batches": "scored, the first of the split",
    "batches_of_split": "in all",
    "step": "of training",
}


def make_evaluator(
    model, task, split, batch_size, strategy, num_latents=None, num_batches=None, between=None
):
    """An evaluator of a model on a split, or on a part of it.

    Args:
        model: `PerceiverARCausalLM`.
        task: see `Experiment`.
        split: str.
        batch_size: int. Rows of the global batch.
        strategy: `tf.distribute.Strategy`.
        num_latents: int or None. None is the model's.
        num_batches: int or None. Batches to evaluate, the first ones that each host reads; None is
            all.
        between: function called after every batch, or None. It may raise to stop.

    Returns:
        `Evaluator`.

    Raises:
        UserError: a batch, split or number of latents that does not fit.
    """
    check_batch_size("the evaluation's batch_size", batch_size, strategy)
    make_data = functools.partial(
        task.evaluation_dataset,
        split,
        context=model.backbone.max_context,
        num_latents=model.backbone.num_positions(num_latents),
    )
    total = int(make_data(batch_size=batch_size).cardinality())
    part = None if num_batches is None or num_batches >= total else (num_batches, total)
    announcer = _Announcer(split, total, part, task)
    announces = is_chief(strategy)

    def on_batch(number):
        if announces:
            announcer(number)
        if between is not None:
            between()

    def make_part(**options):
        return make_data(**options).take(part[0] if part else total)

    dataset = distribute(strategy, make_part, batch_size)
    return Evaluator(model, task, split, dataset, strategy, num_latents, part, on_batch)


def evaluate(
    model_dir,
    step=None,
    split="validation",
    num_latents=None,
    batch_size=None,
    num_batches=None,
    bindings=(),
):
    """Measures a checkpoint as its own run's configuration says, which gin has read.

    Args:
        model_dir: str.
        step: int or None. None is the newest checkpoint.
        split: str.
        num_latents: int or None. None is as in training.
        batch_size: int or None. None is as in training.
        num_batches: int, "all" or None. None is as in training.
        bindings: gin bindings of the command line, all of which must have an effect.

    Returns:
        dict: the task's metrics, `loss`, `targets`, `step`, `split`; and of a part of the split
        `batches` and `batches_of_split`. None on every worker but the chief, who tells them.

    Raises:
        UserError: no such checkpoint, split or data.
    """
    settings = configuration.make(TrainSettings)
    experiment = configuration.make(Experiment)
    strategy = configuration.make(Distribution).make()
    with strategy.scope():
        model = experiment.make_model()
        step = checkpoints.restore_weights(model_dir, model, step)
    if num_latents is not None and not 1 <= num_latents <= model.backbone.max_context:
        raise UserError(
            f"--num_latents must lie in 1 … {model.backbone.max_context} (the context), "
            f"got {num_latents}"
        )
    if batch_size is None:
        batch_size = settings.evaluation_batch_size or settings.batch_size
    if num_batches is None:
        num_batches = settings.evaluation_batches
    evaluator = make_evaluator(
        model,
        experiment.task,
        split,
        batch_size,
        strategy,
        num_latents,
        None if num_batches == "all" else num_batches,
    )
    check_used(bindings)
    with data_errors(experiment.task):
        results = evaluator.evaluate(tf.constant(-1))
    return {**results, "step": step, "split": split} if is_chief(strategy) else None


def report(results, output=None):
    """Prints the figures as a table and writes them as JSON.

    Args:
        results: dict.
        output: path or None.
    """
    table = rich.table.Table("metric", "value", "unit")
    for name, value in results.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        text = f"{value:.6f}" if isinstance(value, float) else text
        table.add_row(name, text, _UNITS.get(name, ""))
    rich.console.Console().print(table)
    if output:
        with user_errors(tf.errors.OpError), tf.io.gfile.GFile(output, "w") as file:
            json.dump(results, file, indent=1)


class _Announcer:
    """Says on standard error that an evaluation starts, and every few seconds how far it is."""

    def __init__(self, split, total, part, task, interval=5.0):
        self._split, self._interval = split, interval
        self._total, self._what = total, f"{total:,} batches"
        if part:
            self._total, self._what = part[0], f"the first {part[0]:,} of {total:,} batches"
            if names := left_out(task):
                self._what += f" (no {' or '.join(names)}: only whole documents are counted)"
        self._start = self._said = None

    def __call__(self, number):
        now = time.monotonic()
        if number == 0:
            print(f"evaluating {self._split}: {self._what}", file=sys.stderr)
        elif number == 1:  # the first batch compiles
            self._start = self._said = now
        elif now - self._said >= self._interval:
            self._said = now
            seconds = (now - self._start) / (number - 1) * (self._total - number)
            left = datetime.timedelta(seconds=round(seconds))
            print(f"evaluated {number}/{self._total} batches, {left} left", file=sys.stderr)
