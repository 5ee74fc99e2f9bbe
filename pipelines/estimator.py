"""The face that TPUEstimator had, over Orbit, for any strategy."""

import tensorflow as tf

import gin
from pipelines import checkpoints, configuration
from pipelines.training import evaluation, loop
from pipelines.training.continuous import evaluate_continuously
from pipelines.training.run import Run


class Estimator:
    """Trains, evaluates, predicts and exports what lies in a directory.

    Each call begins with the newest checkpoint there, and leaves behind what the next one needs, so
    they may be made in any order, by any process.

    Args:
        model_dir: str, local or remote.
        experiment: `Experiment`: the task, the model and the optimizer.
        settings: `TrainSettings`.
        config: `RunConfig` or None.
        distribution: `Distribution` or None, which is one device.
        exporter: function of (run, `output`, `step`) that writes a SavedModel, or None:
            `savedmodels.export.export_run`, which this floor does not import.

    Example:

    ```python
    task = InputFnTask(vocab_size=259, train_input_fn=train_input_fn)
    experiment = Experiment(task, make_backbone, make_optimizer)
    estimator = Estimator("runs/mine", experiment, TrainSettings(steps=1000, batch_size=8))
    estimator.train()
    ```
    """

    def __init__(
        self, model_dir, experiment, settings, config=None, distribution=None, exporter=None
    ):
        parts = {"config": config, "distribution": distribution}
        parts = {name: part for name, part in parts.items() if part is not None}
        self._run = Run(model_dir, experiment, settings, **parts)
        self._exporter = exporter

    @classmethod
    def from_gin(cls, model_dir, bindings=(), exporter=None):
        """The estimator that gin is configured for.

        Args:
            model_dir: str.
            bindings: gin bindings of the command line, all of which must have an effect.
            exporter: see `Estimator`.

        Raises:
            UserError: settings that are missing or refused, or gin was told none.
        """
        estimator = cls.__new__(cls)
        estimator._run, estimator._exporter = Run.from_gin(model_dir, bindings), exporter
        return estimator

    @classmethod
    def from_model_dir(cls, model_dir, bindings=(), exporter=None):
        """The estimator of a run that the commands began, from its directory alone.

        It makes gin forget what it was told before: models and optimizers are made when they are
        asked for, so only the estimator that was made last is to be asked.

        Args:
            model_dir: str, local or remote.
            bindings: gin bindings that come after the run's own.
            exporter: see `Estimator`.

        Raises:
            UserError: the directory holds no run, or settings are refused.

        Example:

        ```python
        estimator = Estimator.from_model_dir("runs/books")
        model, task = estimator.load_model(), estimator.task
        ```
        """
        gin.clear_config()
        configuration.read_model_dir(model_dir, bindings=bindings)
        return cls.from_gin(model_dir, bindings, exporter)

    @property
    def task(self):
        """The experiment's. One of text turns it into ids with `encode`, and back with `decode`."""
        return self._run.experiment.task

    def load_model(self, step=None):
        """The model with the weights of a checkpoint: their average, if the run keeps one.

        It is made on this process's device, whatever strategy the run was trained under.

        Args:
            step: int or None. None is the newest checkpoint.

        Returns:
            `PerceiverARCausalLM`.

        Raises:
            UserError: no such checkpoint, or one of another model.
        """
        model, _ = self._run.load_model(step)
        return model

    @property
    def is_chief(self):
        """bool. Whether this process is the one of several workers that says what came out."""
        return self._run.is_chief

    def train(self, max_steps=None, profile=None, actions=()):
        """Trains up to a step.

        Args:
            max_steps: int or None. A step of the run, earlier starts included; None is
                `TrainSettings.steps`.
            profile: pair of int or None. Steps between which TensorBoard's profiler runs.
            actions: functions called after each loop with a dict of what it was like: hooks.

        Returns:
            int: 0, or 128 + the number of the signal that interrupted it, after all was saved.

        Raises:
            UserError: settings, data or a directory that do not fit.
            RunError: reading or writing failed, or the gradients were no numbers for too long.
        """
        return loop.train(self._run, False, max_steps, profile, actions)

    def train_and_evaluate(self, max_steps=None, profile=None, actions=()):
        """`train`, with an evaluation at every `TrainSettings.evaluation_interval` and the end."""
        return loop.train(self._run, True, max_steps, profile, actions)

    def evaluate(self, split="validation", step=None, **options):
        """Measures a checkpoint.

        Args:
            split: str.
            step: int or None. None is the newest checkpoint.
            **options: `num_latents`, `context`, `stride`, `batch_size` and `num_batches`; None is
                as in training.

        Returns:
            dict: the task's metrics, `loss`, `targets`, `step`, `split` and more; see
            `evaluation.measure`.

        Raises:
            UserError: no such checkpoint, split or data.
        """
        return evaluation.evaluate(self._run, step, split, **options)

    def measure(self, steps=(None,), split="validation", **options):
        """Measures several checkpoints, or one in several ways.

        Args:
            steps: sequence of int or None, or "all".
            split: str.
            **options: see `evaluation.measure`.

        Returns:
            list of dict, one for each step and combination; see `evaluation.measure`.

        Raises:
            UserError: no such checkpoint, split or data, or numbers that do not fit.
        """
        return evaluation.measure(self._run, steps, split, **options)

    def evaluate_continuously(self, timeout=None):
        """Evaluates each checkpoint that a training elsewhere writes, until its last step.

        Args:
            timeout: float or None. Seconds to wait for a checkpoint; None is
                `RunConfig.evaluation_timeout`.

        Returns:
            dict, the last figures, or None if they were known already.

        Raises:
            RunError: no checkpoint came in time.
        """
        return evaluate_continuously(self._run, timeout)

    def predict(self, input_fn, step=None, batch_size=None):
        """Scores rows of tokens.

        Args:
            input_fn: function of a dict `params` with `batch_size` and `context`. It returns a
                `tf.data.Dataset` of batches: dict of `token_ids` int32 (B, M), and `lengths` int32
                (B,) and `positions` if there are some.
            step: int or None. None is the newest checkpoint.
            batch_size: int or None. None is as in training.

        Yields:
            dict for each row: `log_probs` float32 (M,), of each token given those before it, NaN
            where it is not scored; and `token_ids` as they came.

        Raises:
            UserError: no such checkpoint.
        """
        run = self._run
        model, _ = run.make(optimizer=False)
        with run.strategy.scope():
            checkpoints.restore_weights(run.model_dir, model, step)
        params = {
            "batch_size": batch_size or run.settings.batch_size,
            "context": model.backbone.max_context,
        }
        score = tf.function(model.score, autograph=False, reduce_retracing=True)
        for batch in input_fn(params):
            scores = score(batch).numpy()
            for token_ids, log_probs in zip(batch["token_ids"].numpy(), scores, strict=True):
                yield {"token_ids": token_ids, "log_probs": log_probs}

    def export_saved_model(self, output, step=None):
        """Writes a SavedModel for TF Serving.

        Args:
            output: str. Directory of numbered versions.
            step: int or None. None is the newest checkpoint.

        Returns:
            what the exporter returns.

        Raises:
            ValueError: the estimator was given no exporter.
        """
        if self._exporter is None:
            raise ValueError(
                "This estimator has no exporter: make it with "
                "exporter=savedmodels.export.export_run"
            )
        return self._exporter(self._run, output, step)
