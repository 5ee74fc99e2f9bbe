"""The loop on the device around a step of training."""

import time

import numpy as np
import orbit
import tensorflow as tf

from keras_perceiver_ar.randomness import fold_in
from pipelines.training.step import SUMS, Step
from pipelines.training.step_table import StepTable
from pipelines.training.update import GuardedUpdate


class Trainer(orbit.StandardTrainer):
    """Trains a model under any strategy.

    Dropout is drawn from (seed, step, replica, microbatch), so all of them differ and a resumed run
    repeats itself; nothing about it has to be saved. A step whose gradients are not finite changes
    nothing and is counted.

    Set `train_dataset` before training.

    Args:
        model: `PerceiverARCausalLM`, made in the scope of the strategy.
        optimizer: Keras optimizer, made there too.
        settings: `TrainSettings`.
        strategy: `tf.distribute.Strategy`.
        global_step: int64 `tf.Variable`.
        timed: bool. Whether to measure the wait for input; TensorFlow's determinism forbids to.

    Attributes:
        steps: dict of arrays, a number for each step of the last loop: `step`, counted from 1; sums
            over its labels of the `loss`, the `z_loss` and of what was guessed right (`correct`);
            `labels`, `gradient_norm`, `learning_rate`, and `skipped`, 1 or 0.

    Raises:
        UserError: the rows of a replica do not divide into `settings.num_microbatches`.
    """

    def __init__(self, model, optimizer, settings, strategy, global_step, timed=True):
        super().__init__(train_dataset=None)
        settings.check_microbatches(strategy.num_replicas_in_sync)
        self.model = model
        self.optimizer = optimizer
        self.settings = settings
        self.strategy = strategy
        self.global_step = global_step
        self.steps = None
        self._timed = timed
        self._step = Step(model, settings)
        with strategy.scope():
            optimizer.build(model.trainable_variables)
            self._update = GuardedUpdate(optimizer)
            names = (*SUMS, "gradient_norm", "learning_rate", "skipped")
            self._table = StepTable(names, min(settings.steps_per_loop, settings.steps))
            self._first_step = self._host_variable(0, tf.int64)
            self._waited = self._host_variable(0.0, tf.float64)
        # Only this part may be compiled by XLA: the exchange between replicas may not, on some.
        self._compiled = tf.function(
            self._step.gradients, jit_compile=settings.jit_compile, autograph=False
        )

    def _host_variable(self, value, dtype):
        return tf.Variable(
            value,
            trainable=False,
            dtype=dtype,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def train_loop_begin(self):
        """Forgets the loop before."""
        self._table.reset()
        self._first_step.assign(self.global_step.read_value())
        self._waited.assign(0.0)
        self._begun = time.monotonic()

    # Orbit's loop is Python that AutoGraph turns into a graph; from here on there is no statement
    # for it to convert.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, iterator):
        """One step of all replicas, on the device."""
        step = self.global_step.read_value()
        inputs, labels = self._next(iterator)
        row = tf.cast(step - self._first_step.read_value(), tf.int32)
        self.strategy.run(self._replica_step, args=(inputs, labels, step, row))
        self.global_step.assign_add(1)

    def _next(self, iterator):
        """A batch, and the time that it was waited for."""
        if not self._timed:
            return next(iterator)
        # Timestamps read no resource, so nothing but these dependencies puts them in their places.
        begun = tf.timestamp()
        with tf.control_dependencies([begun]):
            batch = next(iterator)
        with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
            self._waited.assign_add(tf.timestamp() - begun)
        return batch

    def train_loop_end(self):
        """What the loop was like.

        Returns:
            dict of float: over the steps that were not skipped, the cross-entropy in nats and the
            z-loss of a label, the accuracy and the mean norm of the gradients before they were
            clipped; the learning rate of the last step, the number of labels and of `skipped`
            steps; and `input_wait`, the share of the time in which the loop waited for a batch.
            What each step was like is in `steps`.
        """
        first = int(self._first_step.numpy())
        number = int(self.global_step.numpy()) - first
        rows = {name: column[:number] for name, column in self._table.read().items()}
        seconds = time.monotonic() - self._begun  # reading has waited for the last step
        self.steps = {"step": first + 1 + np.arange(number), **rows}
        taken = rows["skipped"] == 0

        def total(name):
            return float(np.sum(rows[name][taken], dtype="float64"))

        labels, steps = max(total("labels"), 1.0), max(np.count_nonzero(taken), 1)
        return {
            "loss": total("loss") / labels,
            "z_loss": total("z_loss") / labels,
            "accuracy": total("correct") / labels,
            "gradient_norm": total("gradient_norm") / steps,
            "learning_rate": float(rows["learning_rate"][-1]),
            "labels": float(np.sum(rows["labels"], dtype="float64")),
            "skipped": int(np.count_nonzero(~taken)),
            "input_wait": float(self._waited.numpy()) / seconds,
        }

    def _replica_step(self, inputs, labels, step, row):
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        seed = fold_in(tf.stack([self.settings.seed, tf.cast(step, tf.int32)]), replica)
        gradients, sums = self._compiled(inputs, labels, seed)

        def all_reduce(tensors):
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)

        gradients, norm, finite = self._step.combine(gradients, sums["labels"], all_reduce)
        rate = self.optimizer.learning_rate  # a tensor, or a Keras variable
        rate = tf.convert_to_tensor(getattr(rate, "value", rate))
        self._update(gradients, finite)
        # The same on every replica, so each adds its share.
        same = {"gradient_norm": norm, "learning_rate": rate, "skipped": ~finite}
        shares = {
            name: tf.where(replica == 0, tf.cast(value, tf.float32), 0.0)
            for name, value in same.items()
        }
        self._table.add(row, **sums, **shares)
