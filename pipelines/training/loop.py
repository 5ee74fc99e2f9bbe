"""Puts training together: model, data, checkpoints, Orbit's controller."""

import contextlib
import functools

import orbit
import tensorflow as tf
from absl import logging

from pipelines import checkpoints, configuration
from pipelines.checkpoints.averages import averaged
from pipelines.checkpoints.best import BestCheckpoint
from pipelines.checkpoints.owner import Owner
from pipelines.checkpoints.warm_start import warm_start
from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.distribution import of_all_workers, only_chief_speaks
from pipelines.errors import RunError
from pipelines.training.evaluation import check_metric, evaluator_of_run
from pipelines.training.evaluation_log import EvaluationLog
from pipelines.training.health import Health
from pipelines.training.input import check_batch_size, data_errors, distribute
from pipelines.training.interruption import Interrupted, Interruption
from pipelines.training.lost_workers import lost_workers
from pipelines.training.profile import Profile, check_steps
from pipelines.training.progress import Progress
from pipelines.training.step_log import StepLog
from pipelines.training.summaries import SummaryManager
from pipelines.training.trainer import Trainer

# Orbit prints each event twice, the metrics of a loop on many lines; `Progress` says it in one.
orbit.controller._log = logging.debug


def train(run, evaluate=False, max_steps=None, profile=None, actions=()):
    """Trains from the newest checkpoint of a run's directory, if there is one.

    Args:
        run: `Run`.
        evaluate: bool. Whether to evaluate at intervals and at the end.
        max_steps: int or None. Where to stop before `TrainSettings.steps`.
        profile: pair of int or None. Steps between which TensorBoard's profiler runs.
        actions: functions of what a loop was like (`Trainer.train_loop_end`), called after it: each
            an `orbit.Action`.

    Returns:
        int, the exit status: 0, or 128 + signal if interrupted.

    Raises:
        UserError: settings, data or a directory that do not fit.
        RunError: reading or writing failed in the middle of the run, or it came to nothing.
    """
    settings = run.settings
    check_integer("max_steps", max_steps, optional=True)
    check_steps(profile)
    check_metric(run, run.config.keep_best)
    run.check_replicas()
    check_batch_size("TrainSettings.batch_size", settings.batch_size, run.strategy)
    settings.check_microbatches(run.strategy.num_replicas_in_sync)
    only_chief_speaks(run.strategy)
    with lost_workers("the run goes on from the last checkpoint"):
        loop = _Loop(run, evaluate, profile, actions)
        return loop.run(min(max_steps or settings.steps, settings.steps))


class _Loop:
    def __init__(self, run, evaluate, profile, actions):
        self._run = run
        self._actions = actions
        self._interruption = Interruption()
        self._profile = Profile(run.written_dir, profile)
        settings, task, strategy = run.settings, run.experiment.task, run.strategy
        self._model, self._optimizer = run.make()
        with strategy.scope():
            self._step = orbit.utils.create_global_step()
        context = self._model.backbone.max_context
        make_data = functools.partial(task.train_dataset, context=context, seed=settings.seed)
        # Reads the data, and refuses what does not fit, before anything is written.
        evaluator = self._evaluator() if evaluate else None
        make_data(batch_size=settings.batch_size)
        run.check_used()
        checkpoints.check_model(run.model_dir, self._model, task, self._optimizer)
        configuration.warn_of_changes(run.model_dir)
        newest = checkpoints.newest_checkpoint(run.model_dir)
        # Before anything is written that who comes late would find, and before anything is read:
        # of two that read different things, each would wait for what the other does not do.
        run.meet(checkpoints.step_of(newest) if newest else 0)
        if newest is None and run.config.warm_start:
            warm_start(run.config.warm_start, self._model, self._optimizer)
        with user_errors(tf.errors.OpError):
            tf.io.gfile.makedirs(run.written_dir)
        parts = (self._model, self._optimizer, settings, strategy, self._step)
        self._trainer = Trainer(*parts, timed=not run.config.deterministic)
        self._controller = self._make_controller(evaluator)
        self._start = int(self._step.numpy())
        run.meet(self._start)
        self._trainer.train_dataset = distribute(
            strategy, functools.partial(make_data, start_step=self._start), settings.batch_size
        )

    def _evaluator(self):
        return evaluator_of_run(self._run, self._model, between=self._interruption)

    def _make_controller(self, evaluator):
        run, settings = self._run, self._run.settings
        with user_errors(ValueError, tf.errors.OpError):
            self._manager = checkpoints.CheckpointManager(
                checkpoints.make_checkpoint(self._model, self._optimizer, self._step),
                run.model_dir,
                writes=run.is_chief,
                max_to_keep=settings.keep_checkpoints,
                step_counter=self._step,
                checkpoint_interval=settings.checkpoint_interval,
            )
        folder = tf.io.gfile.join(run.written_dir, "evaluation")
        interval = run.config.summary_interval
        return orbit.Controller(
            global_step=self._step,
            trainer=self._trainer,
            evaluator=evaluator,
            strategy=run.strategy,
            steps_per_loop=settings.steps_per_loop,
            checkpoint_manager=self._manager,
            enable_async_checkpointing=run.config.asynchronous,
            summary_manager=SummaryManager(run.written_dir, self._step, interval),
            eval_summary_dir=folder,  # else Orbit would take the other manager for both
            eval_summary_manager=SummaryManager(folder, self._step),
        )

    def run(self, last):
        run, task = self._run, self._run.experiment.task
        self._interruption.listen(lambda number: max(of_all_workers(run.strategy, number)))
        run.describe(self._model, self._optimizer)
        print(
            f"{self._model.count_params():,} parameters, {run.strategy.num_replicas_in_sync} "
            f"replica(s), step {self._start} of {last}, in {run.model_dir}",
            flush=True,
        )
        if self._start < last:
            print("the first steps are compiled first, which takes a minute or so", flush=True)
        else:
            print(f"nothing left to train: {last} steps are asked for")
        self._progress = Progress(self._step, last)
        step_log = StepLog(run.written_dir, self._trainer, self._start, run.config.log_interval)
        # Of the shared directory, and no later ones, which the chief is about to drop: all workers
        # must find the same.
        known = EvaluationLog(run.model_dir).steps(run.settings.evaluation_split)
        self._known = {step for step in known if step <= self._start}
        self._evaluations = EvaluationLog(run.written_dir, self._start)
        self._best = BestCheckpoint(run.written_dir, run.config.keep_best)
        self._controller.train_actions = (
            Owner(run.written_dir),
            step_log,
            self._progress,
            Health(self._trainer, run.config),
            *self._actions,
            self._interruption,
        )
        with data_errors(task, "the same command goes on from the last checkpoint"):
            try:
                self._train_to(last)
                run.meet(last)  # nobody goes before the chief has written everything
            except Interrupted as signal:
                self._profile.stop()
                self._controller.save_checkpoint()
                self._manager.sync()
                step = int(self._step.numpy())
                run.meet(step)
                print(f"{signal}: saved at step {step}; the same command goes on from there")
                return signal.exit_status
            except BaseException:
                with contextlib.suppress(RunError):  # else TensorFlow would tell of it at the exit
                    self._manager.sync()
                raise
        return 0

    def _train_to(self, last):
        evaluates = self._controller.evaluator is not None
        interval = (self._run.settings.evaluation_interval if evaluates else None) or last
        if evaluates and 0 < self._start < last and self._start % interval == 0:
            self._evaluate(self._start)  # unless the start before this one got that far
        while True:
            step = int(self._step.numpy())
            self._profile(step)
            if step < last:
                ahead = min(step - step % interval + interval, last)
                self._controller.train(
                    min(ahead, self._profile.next_after(step) or ahead),
                    checkpoint_at_completion=False,
                )
                step = int(self._step.numpy())
            if step >= last or step % interval == 0:
                self._controller.save_checkpoint()
                self._manager.sync()
                if evaluates:
                    self._evaluate(step)
            if step >= last:
                return self._profile.stop()

    def _evaluate(self, step):
        if step in self._known:
            return
        with averaged(self._model, self._optimizer):
            results = self._controller.evaluate()
        # The log last: what is in it is not done again by the next start.
        self._best(step, results)
        self._evaluations(step, self._run.settings.evaluation_split, results)
        self._progress.restart_clock()
