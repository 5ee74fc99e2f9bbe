"""Puts a run together: model, data, checkpoints, Orbit's controller."""

import functools

import keras
import orbit
import tensorflow as tf
from absl import logging

from pipelines import checkpoints, configuration
from pipelines.command_line import user_errors
from pipelines.configuration import Experiment, TrainSettings
from pipelines.distribution import Distribution
from pipelines.errors import UserError
from pipelines.gin_checks import check_used
from pipelines.training.evaluation import make_evaluator
from pipelines.training.input import check_batch_size, data_errors, distribute
from pipelines.training.interruption import Interrupted, Interruption
from pipelines.training.progress import Progress
from pipelines.training.trainer import Trainer

# Orbit prints each event twice, the metrics of a loop on many lines; `Progress` says it in one.
orbit.controller._log = logging.debug


def train(model_dir, evaluate=False, bindings=()):
    """Trains as gin is configured, from the newest checkpoint in `model_dir` if there is one.

    Args:
        model_dir: str.
        evaluate: bool. Whether to evaluate at intervals and at the end.
        bindings: gin bindings of the command line, all of which must have an effect.

    Returns:
        int, the exit status: 0, or 128 + signal if interrupted.

    Raises:
        UserError: settings, data or a directory that do not fit.
        RunError: reading or writing failed in the middle of the run.
    """
    interruption = Interruption()
    settings = configuration.make(TrainSettings)
    experiment = configuration.make(Experiment)
    distribution = configuration.make(Distribution)
    strategy = distribution.make()
    # Here alone: whoever evaluates a run on fewer devices than it had only names the strategy.
    if distribution.num_replicas not in (None, strategy.num_replicas_in_sync):
        raise UserError(
            f"Distribution.num_replicas is {distribution.num_replicas}, but the strategy "
            f"{distribution.strategy!r} has {strategy.num_replicas_in_sync}: it is for 'mirrored'"
        )
    check_batch_size("TrainSettings.batch_size", settings.batch_size, strategy)
    settings.check_microbatches(strategy.num_replicas_in_sync)
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = experiment.make_model()
        optimizer = experiment.make_optimizer()
        global_step = orbit.utils.create_global_step()
    make_data = functools.partial(
        experiment.task.train_dataset, context=model.backbone.max_context, seed=settings.seed
    )
    # Reads the data, and refuses what does not fit, before anything is written.
    evaluator = None
    if evaluate:
        batch_size = settings.evaluation_batch_size or settings.batch_size
        evaluator = make_evaluator(
            model,
            experiment.task,
            settings.evaluation_split,
            batch_size,
            strategy,
            num_batches=settings.evaluation_batches,
            between=interruption,
        )
    make_data(batch_size=settings.batch_size)
    check_used(bindings)
    checkpoints.check_model(model_dir, model, experiment.task, optimizer)
    with user_errors(tf.errors.OpError):
        tf.io.gfile.makedirs(model_dir)
    trainer = Trainer(model, optimizer, settings, strategy, global_step)
    with user_errors(ValueError, tf.errors.OpError):
        manager = checkpoints.CheckpointManager(
            checkpoints.make_checkpoint(model, optimizer, global_step),
            model_dir,
            max_to_keep=settings.keep_checkpoints,
            step_counter=global_step,
            checkpoint_interval=settings.checkpoint_interval,
        )
    controller = orbit.Controller(
        global_step=global_step,
        trainer=trainer,
        evaluator=evaluator,
        strategy=strategy,
        steps_per_loop=settings.steps_per_loop,
        checkpoint_manager=manager,
        summary_dir=model_dir,
        eval_summary_dir=tf.io.gfile.join(model_dir, "evaluation"),
    )
    start = int(global_step.numpy())
    trainer.train_dataset = distribute(
        strategy, functools.partial(make_data, start_step=start), settings.batch_size
    )
    interruption.listen()
    checkpoints.describe_model(model_dir, model, experiment.task, optimizer)
    configuration.write_operative_config(model_dir)
    print(
        f"{model.count_params():,} parameters, {strategy.num_replicas_in_sync} replica(s), "
        f"step {start} of {settings.steps}, in {model_dir}",
        flush=True,
    )
    if start < settings.steps:
        print("the first steps are compiled first, which takes a minute or so", flush=True)
    else:
        print(f"nothing left to train: TrainSettings.steps is {settings.steps}")
    progress = Progress(model_dir, global_step, settings.steps)
    controller.train_actions = (progress, interruption)
    with data_errors(experiment.task, "the same command goes on from the last checkpoint"):
        return _run(controller, settings, evaluate, progress)


def _run(controller, settings, evaluate, progress):
    try:
        if not evaluate:
            controller.train(settings.steps)
        while evaluate:
            step = int(controller.global_step.numpy())
            interval = settings.evaluation_interval or settings.steps
            controller.train(min(step - step % interval + interval, settings.steps))
            results = controller.evaluate()
            figures = " | ".join(f"{name} {value:.6g}" for name, value in results.items())
            print(f"evaluation | {figures}", flush=True)
            progress.restart_clock()
            evaluate = int(controller.global_step.numpy()) < settings.steps
    except Interrupted as signal:
        controller.save_checkpoint()
        step = int(controller.global_step.numpy())
        print(f"{signal}: saved at step {step}; the same command goes on from there", flush=True)
        return signal.exit_status
    return 0
