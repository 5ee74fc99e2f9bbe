"""Evaluation of each checkpoint that another process writes."""

import tensorflow as tf

from pipelines import checkpoints
from pipelines.checkpoints.best import BestCheckpoint
from pipelines.checkpoints.weights import Torn
from pipelines.errors import RunError, UserError
from pipelines.training.evaluation import check_metric, evaluator_of_run
from pipelines.training.evaluation_log import EvaluationLog
from pipelines.training.input import data_errors
from pipelines.training.summaries import SummaryManager

_LOOK_EVERY = 5.0  # seconds


def evaluate_continuously(run, timeout=None):
    """Waits for checkpoints of a run, evaluates each, and stops at the run's last step.

    Where training is faster than evaluation, it takes the newest and leaves those before it out.
    What is in `evaluation_log.jsonl` already is not evaluated again.

    Args:
        run: `Run`.
        timeout: float or None. Seconds to wait for a checkpoint; None is
            `RunConfig.evaluation_timeout`.

    Returns:
        dict, the figures of the last step, or None if they were in the log.

    Raises:
        UserError: settings or data that do not fit.
        RunError: no checkpoint came in time.
    """
    timeout = run.config.evaluation_timeout if timeout is None else timeout
    run.check_alone()
    model, _ = run.make(optimizer=False)
    check_metric(run, run.config.keep_best)
    evaluator = evaluator_of_run(run, model)
    run.check_used()
    split, last = run.settings.evaluation_split, run.settings.steps
    log, best = EvaluationLog(run.model_dir), BestCheckpoint(run.model_dir, run.config.keep_best)
    done, results = log.steps(split), None
    global_step = tf.Variable(0, dtype=tf.int64)
    summaries = SummaryManager(tf.io.gfile.join(run.model_dir, "evaluation"), global_step)
    print(f"waiting for checkpoints in {run.model_dir}, the last one of step {last}", flush=True)
    if last in done:
        return None
    for path in tf.train.checkpoints_iterator(
        run.model_dir, min_interval_secs=_LOOK_EVERY, timeout=timeout
    ):
        step = checkpoints.step_of(path)
        if step not in done:
            checkpoints.check_model(run.model_dir, model)
            results = _evaluate(run, model, evaluator, step)
        if step not in done and results is not None:
            done.add(step)
            global_step.assign(step)
            summaries.write_summaries(results)
            summaries.flush()
            best(step, results)
            log(step, split, results)
        if step >= last and step in done:
            return results
        if step >= last:
            raise RunError(f"the checkpoint of the last step, {step}, could not be evaluated")
    raise RunError(
        f"no new checkpoint came in {timeout:g} seconds, and the last one is not of step {last}: "
        "is the training still running?"
    )


def _evaluate(run, model, evaluator, step):
    """The figures of a checkpoint, or None if it cannot be read, with a warning."""
    try:
        with run.strategy.scope():
            checkpoints.restore_weights(run.model_dir, model, step)
    except (UserError, Torn) as error:
        print(f"warning: step {step} is left out: {error}", flush=True)
        return None
    with data_errors(run.experiment.task):
        return evaluator.evaluate(tf.constant(-1))
