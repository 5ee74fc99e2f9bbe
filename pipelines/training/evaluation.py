"""Evaluation of a checkpoint: from a model directory alone to figures, a table and JSON."""

import datetime
import functools
import json
import sys
import time

import rich.console
import rich.table
import tensorflow as tf

from pipelines import checkpoints
from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.distribution import is_chief
from pipelines.errors import UserError
from pipelines.training.evaluator import Evaluator, left_out
from pipelines.training.input import check_batch_size, data_errors, distribute
from pipelines.training.lost_workers import lost_workers
from pipelines.training.step_log import finite

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


def evaluator_of_run(
    run, model, split=None, num_latents=None, batch_size=None, num_batches=None, between=None
):
    """An evaluator as a run's own settings say, where nothing else is asked for.

    Args:
        run: `Run`.
        model: `PerceiverARCausalLM`.
        split: str or None. None is `TrainSettings.evaluation_split`.
        num_latents: int or None. None is the model's.
        batch_size: int or None. None is as in training.
        num_batches: int, "all" or None. None is as in training.
        between: function called after every batch, or None.

    Returns:
        `Evaluator`.

    Raises:
        UserError: a batch, split or number of latents that does not fit.
    """
    settings, longest = run.settings, model.backbone.max_context
    check_integer("the evaluation's batch_size", batch_size, optional=True)
    if num_batches != "all":
        check_integer("the number of batches", num_batches, optional=True)
    if num_latents is not None and not 1 <= num_latents <= longest:
        raise UserError(f"--num_latents must lie in 1 … {longest} (the context), got {num_latents}")
    if batch_size is None:
        batch_size = settings.evaluation_batch_size or settings.batch_size
    if num_batches is None:
        num_batches = settings.evaluation_batches
    return make_evaluator(
        model,
        run.experiment.task,
        split or settings.evaluation_split,
        batch_size,
        run.strategy,
        num_latents,
        None if num_batches == "all" else num_batches,
        between,
    )


def check_metric(run, metric):
    """Refuses a metric that the evaluations of a run do not give.

    Args:
        run: `Run`.
        metric: str or None, which will do.

    Raises:
        UserError: names those that they give.
    """
    task = run.experiment.task
    missing = left_out(task) if run.settings.evaluation_batches else []
    there = [name for name in (*task.evaluation_metrics, "loss") if name not in missing]
    if metric not in (None, *there):
        raise UserError(f"RunConfig.keep_best must be one of {', '.join(there)}, got {metric!r}")


def evaluate(run, step=None, split="validation", **options):
    """Measures a checkpoint.

    Args:
        run: `Run`.
        step: int or None. None is the newest checkpoint.
        split: str.
        **options: `num_latents`, `batch_size` and `num_batches` of `evaluator_of_run`.

    Returns:
        dict: the task's metrics, `loss`, `targets`, `step`, `split`; and of a part of the split
        `batches` and `batches_of_split`.

    Raises:
        UserError: no such checkpoint, split or data.
    """
    with lost_workers("nothing was written"):
        model, _ = run.make(optimizer=False)
        with run.strategy.scope():
            step = checkpoints.restore_weights(run.model_dir, model, step)
        run.meet(step)
        evaluator = evaluator_of_run(run, model, split, **options)
        run.check_used()
        with data_errors(run.experiment.task):
            results = evaluator.evaluate(tf.constant(-1))
    return {**results, "step": step, "split": split}


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
            json.dump(finite(results), file, indent=1)


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
