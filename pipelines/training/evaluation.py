"""Evaluation of checkpoints: from a model directory alone to figures."""

import datetime
import functools
import sys
import time

import tensorflow as tf

from pipelines import checkpoints, flops
from pipelines.checkpoints.weights import Torn
from pipelines.checks import check_integer
from pipelines.distribution import is_chief
from pipelines.errors import UserError
from pipelines.evaluation.metrics import left_out
from pipelines.evaluation.places import PlaceSums
from pipelines.evaluation.settings import Settings
from pipelines.training.evaluator import Evaluator
from pipelines.training.input import check_batch_size, data_errors, distribute
from pipelines.training.lost_workers import lost_workers


def make_evaluator(
    model,
    task,
    split,
    batch_size,
    strategy,
    num_batches=None,
    between=None,
    settings=None,
):
    """An evaluator of a model on a split, or on a part of it.

    Args:
        model: `PerceiverARCausalLM`.
        task: see `Experiment`.
        split: str.
        batch_size: int. Rows of the global batch.
        strategy: `tf.distribute.Strategy`.
        num_batches: int or None. Batches to evaluate, the first ones that each host reads; None is
            all.
        between: function called after every batch, or None. It may raise to stop.
        settings: `Settings` or None. None is block evaluation as the model was trained, for the
            figures of `metrics` alone; otherwise there is more, see `measure`.

    Returns:
        `Evaluator`.

    Raises:
        UserError: a batch, split or number of latents that does not fit.
    """
    check_batch_size("the evaluation's batch_size", batch_size, strategy)
    num_latents, context, stride = settings or Settings.of(model.backbone)
    positions, place_sums = model.backbone.num_positions(num_latents), None
    options = {} if stride == positions else {"stride": stride}
    if settings is not None:
        of_documents = getattr(task, "document_units", None)
        if of_documents is not None:
            options["places"] = True
        place_sums = PlaceSums(positions, of_documents and of_documents(split)["targets"].size)
    make_data = functools.partial(
        task.evaluation_dataset, split, context=context, num_latents=positions, **options
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
    return Evaluator(model, task, split, dataset, strategy, num_latents, part, on_batch, place_sums)


def evaluator_of_run(
    run,
    model,
    split=None,
    batch_size=None,
    num_batches=None,
    between=None,
    settings=None,
):
    """An evaluator as a run's own settings say, where nothing else is asked for.

    Args:
        run: `Run`.
        model: `PerceiverARCausalLM`.
        split: str or None. None is `TrainSettings.evaluation_split`.
        batch_size: int or None. None is as in training.
        num_batches: int, "all" or None. None is as in training.
        between: function called after every batch, or None.
        settings: `Settings` or None; see `make_evaluator`.

    Returns:
        `Evaluator`.

    Raises:
        UserError: a batch, split or number of latents that does not fit.
    """
    of_run = run.settings
    check_integer("the evaluation's batch_size", batch_size, optional=True)
    if num_batches != "all":
        check_integer("the number of batches", num_batches, optional=True)
    if batch_size is None:
        batch_size = of_run.evaluation_batch_size or of_run.batch_size
    if num_batches is None:
        num_batches = of_run.evaluation_batches
    return make_evaluator(
        model,
        run.experiment.task,
        of_run.evaluation_split if split is None else split,
        batch_size,
        run.strategy,
        None if num_batches == "all" else num_batches,
        between,
        settings,
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


def measure(
    run,
    steps=(None,),
    split="validation",
    num_latents=(),
    contexts=(),
    strides=(),
    batch_size=None,
    num_batches=None,
    on_result=None,
):
    """Measures checkpoints in each combination of latents, context and stride.

    Args:
        run: `Run`.
        steps: sequence of int, or of None for the newest checkpoint; or "all", those that are there
            and can be read.
        split: str.
        num_latents, contexts, strides: see `Settings.all_of`.
        batch_size, num_batches: see `evaluator_of_run`.
        on_result: function called with each result as it comes, or None.

    Returns:
        list of dict: the task's metrics, `loss`, `targets`; of a part of the split `batches` and
        `batches_of_split`; `ci95`, `ci95_of` and `documents` (see `metrics.interval`),
        `loss_by_position`, `loss_by_latent` (see `Buckets.rows`); `num_latents`, `context`,
        `stride`; `flops_per_target`, of the forward pass over a whole row for each target that is
        scored in it; `targets_per_second`, as measured, or None; `step` and `split`.

    Raises:
        UserError: no such checkpoint, split or data, or numbers that do not fit.
    """
    results = []
    with lost_workers("nothing was written"):
        model, _ = run.make(optimizer=False)
        settings = Settings.all_of(model.backbone, num_latents, contexts, strides)
        for step in _restored(run, model, steps):
            if not results:
                options = (split, batch_size, num_batches)
                evaluators = [
                    evaluator_of_run(run, model, *options, settings=each) for each in settings
                ]
                run.check_used()
            for each, evaluator in zip(settings, evaluators, strict=True):
                with data_errors(run.experiment.task):
                    figures = evaluator.evaluate(tf.constant(-1))
                cost = flops.row_flops(model, each.num_latents, each.context)
                results.append(
                    {
                        **figures,
                        **each._asdict(),
                        "flops_per_target": round(cost / each.stride),
                        "targets_per_second": evaluator.targets_per_second,
                        "step": step,
                        "split": split,
                    }
                )
                if on_result is not None:
                    on_result(results[-1])
    return results


def _restored(run, model, steps):
    """The steps of checkpoints, one after the other, as the model has their weights.

    All are looked for before the first is read.
    """
    there = [checkpoints.step_of(p) for p in checkpoints.whole_checkpoints(run.model_dir)]
    is_all = steps == "all"
    if is_all and there:
        steps = there
    elif is_all:
        steps = (None,)  # which is refused in the usual words
    for step in steps:
        if step is not None and step not in there:
            checkpoints.restore_weights(run.model_dir, model, step)  # refuses
    for step in steps:
        try:
            with run.strategy.scope():
                step = checkpoints.restore_weights(run.model_dir, model, step)
        except UserError as error:
            if not (is_all and isinstance(error.__cause__, Torn)):
                raise
            print(f"warning: step {step} is left out: {error}", file=sys.stderr)
            continue
        run.meet(step)
        yield step


def evaluate(
    run, step=None, split="validation", num_latents=None, context=None, stride=None, **options
):
    """Measures a checkpoint in one way.

    Args:
        run: `Run`.
        step: int or None. None is the newest checkpoint.
        split: str.
        num_latents, context, stride: int or None; see `Settings.of`.
        **options: `batch_size` and `num_batches` of `evaluator_of_run`.

    Returns:
        dict: see `measure`.

    Raises:
        UserError: no such checkpoint, split or data.
    """
    axes = (() if one is None else (one,) for one in (num_latents, context, stride))
    return measure(run, (step,), split, *axes, **options)[0]


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
