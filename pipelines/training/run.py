"""What a run is put together from."""

import dataclasses
import functools
import tempfile

import keras
import tensorflow as tf

from pipelines import checkpoints, configuration, gin_reading
from pipelines.configuration import Experiment
from pipelines.distribution import Distribution, is_chief, of_all_workers
from pipelines.errors import UserError
from pipelines.gin_checks import check_used
from pipelines.settings import RunConfig, TrainSettings


@dataclasses.dataclass
class Run:
    """A directory, and what is to be done in it.

    Args:
        model_dir: str, local or remote.
        experiment: `Experiment`.
        settings: `TrainSettings`.
        config: `RunConfig`.
        distribution: `Distribution`.
        bindings: gin bindings of the command line, all of which must have an effect; or None if the
            run was not made by gin. Then there is no configuration to leave in the directory.
    """

    model_dir: str
    experiment: Experiment
    settings: TrainSettings
    config: RunConfig = dataclasses.field(default_factory=RunConfig)
    distribution: Distribution = dataclasses.field(default_factory=Distribution)
    bindings: tuple | None = None

    @classmethod
    def from_gin(cls, model_dir, bindings=()):
        """The run that gin is configured for.

        Raises:
            UserError: settings that are missing or refused, or gin was told none.
        """
        if not configuration.is_told():
            raise UserError(
                "gin has been told no settings: Estimator.from_model_dir(MODEL_DIR) reads those of "
                "a run that is there, pipelines.configuration.parse(FILES, BINDINGS) those of a "
                "new one"
            )
        kinds = (Experiment, TrainSettings, RunConfig, Distribution)
        return cls(model_dir, *map(gin_reading.make, kinds), bindings=tuple(bindings))

    @functools.cached_property
    def strategy(self):
        """`tf.distribute.Strategy`. Made once: a process joins its cluster once."""
        return self.distribution.make()

    @functools.cached_property
    def is_chief(self):
        """bool. Whether it is this process that writes what lies in the directory, and speaks."""
        return is_chief(self.strategy)

    @functools.cached_property
    def written_dir(self):
        """str. Where this process writes: `model_dir`, or a folder that goes when it goes.

        All workers take the same steps, so what the others write is what the chief writes.
        """
        if self.is_chief:
            return self.model_dir
        self._folder = tempfile.TemporaryDirectory()
        return self._folder.name

    def meet(self, step):
        """Waits for all workers, which must be at the same step.

        Args:
            step: int.

        Raises:
            UserError: they are not.
        """
        steps = of_all_workers(self.strategy, step)
        if len(set(steps)) > 1:
            raise UserError(
                f"the workers found checkpoints of different steps ({', '.join(map(str, steps))}): "
                f"{self.model_dir} must be one folder that all of them see"
            )

    def make(self, optimizer=True):
        """New weights, of the run's seed.

        Args:
            optimizer: bool. Whether an optimizer is wanted too.

        Returns:
            `PerceiverARCausalLM`, and the optimizer, built, or None.

        Raises:
            UserError: settings that do not fit each other or the task.
        """
        keras.utils.set_random_seed(self.settings.seed)
        if self.config.deterministic:
            tf.config.experimental.enable_op_determinism()
        with self.strategy.scope():
            model = self.experiment.make_model()
            if not optimizer:
                return model, None
            optimizer = self.experiment.make_optimizer()
            self.settings.prepare(optimizer, model.trainable_variables)
        return model, optimizer

    def load_model(self, step=None, is_told=False):
        """The model with the weights of a checkpoint, outside of any strategy.

        Args:
            step, is_told: see `restore_weights`.

        Returns:
            `PerceiverARCausalLM`, and int, the step.

        Raises:
            UserError: no such checkpoint, or one of another model.
        """
        model = self.experiment.make_model()
        self.check_used()
        return model, checkpoints.restore_weights(self.model_dir, model, step, is_told)

    def check_used(self):
        """Refuses gin bindings that had no effect. After everything was made and looked at.

        Raises:
            UserError: names them.
        """
        check_used(self.bindings or ())

    def check_replicas(self):
        """Refuses a number of replicas that the strategy does not have.

        Only where the run trains: whoever evaluates it on fewer devices than it had only names the
        strategy.

        Raises:
            UserError: it has others.
        """
        wanted, there = self.distribution.num_replicas, self.strategy.num_replicas_in_sync
        if wanted not in (None, there):
            raise UserError(
                f"Distribution.num_replicas is {wanted}, but the strategy "
                f"{self.distribution.strategy!r} has {there}: it is for 'mirrored'"
            )

    def check_alone(self):
        """Refuses several workers, for what one process does by itself.

        Raises:
            UserError: there are several.
        """
        if self.distribution.strategy == "multi_worker_mirrored":
            raise UserError(
                "this is for one process: choose another Distribution.strategy than "
                f"{self.distribution.strategy!r}"
            )

    def describe(self, model, optimizer):
        """Leaves in the directory what the run is: its model and its configuration."""
        checkpoints.describe_model(self.written_dir, model, self.experiment.task, optimizer)
        if self.bindings is not None:
            configuration.write_operative_config(self.written_dir)
