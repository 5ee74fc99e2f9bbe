"""One step of training, and the loop around it on the device."""

import orbit
import tensorflow as tf

from keras_perceiver_ar.randomness import fold_in
from keras_perceiver_ar.training import token_loss
from pipelines.training.running_sums import LABEL_SUMS, RunningSums, label_sums


class Trainer(orbit.StandardTrainer):
    """Trains a model under any strategy.

    Gradients are summed over microbatches and replicas, then clipped, then applied: Keras' own
    `clipnorm` would clip each replica's share. Dropout is drawn from (seed, step, replica,
    microbatch), so all of them differ and a resumed run repeats itself; nothing about it has to be
    saved.

    Set `train_dataset` before training.

    Args:
        model: `PerceiverARCausalLM`, made in the scope of the strategy.
        optimizer: Keras optimizer, made there too.
        settings: `TrainSettings`.
        strategy: `tf.distribute.Strategy`.
        global_step: int64 `tf.Variable`.

    Raises:
        UserError: the rows of a replica do not divide into `settings.num_microbatches`.
    """

    def __init__(self, model, optimizer, settings, strategy, global_step):
        super().__init__(train_dataset=None)
        settings.check_microbatches(strategy.num_replicas_in_sync)
        self.model = model
        self.optimizer = optimizer
        self.settings = settings
        self.strategy = strategy
        self.global_step = global_step
        with strategy.scope():
            optimizer.build(model.trainable_variables)
            self._sums = RunningSums((*LABEL_SUMS, "z_loss", "gradient_norm", "steps"))
            self._learning_rate = tf.Variable(
                0.0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
            )
        # Only this part may be compiled by XLA: the exchange between replicas may not, on some.
        self._compiled = tf.function(
            self._gradients, jit_compile=settings.jit_compile, autograph=False
        )

    def train_loop_begin(self):
        """Forgets the sums of the loop before."""
        self._sums.reset()

    # Orbit's loop is Python that AutoGraph turns into a graph; from here on there is no statement
    # for it to convert.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, iterator):
        """One step of all replicas, on the device."""
        inputs, labels = next(iterator)
        step = self.global_step.read_value()
        rate = self.optimizer.learning_rate  # a tensor, or a Keras variable
        self._learning_rate.assign(tf.convert_to_tensor(getattr(rate, "value", rate)))
        self.strategy.run(self._replica_step, args=(inputs, labels, step))
        self.global_step.assign_add(1)

    def train_loop_end(self):
        """What the loop was like.

        Returns:
            dict of float: the cross-entropy in nats and the z-loss of a label, the accuracy, the
            mean norm of the gradients before they were clipped, the learning rate of the last step
            and the number of labels.
        """
        sums = self._sums.read()
        labels, steps = max(sums["labels"], 1.0), max(sums["steps"], 1.0)
        return {
            "loss": sums["loss"] / labels,
            "z_loss": sums["z_loss"] / labels,
            "accuracy": sums["correct"] / labels,
            "gradient_norm": sums["gradient_norm"] / steps,
            "learning_rate": float(self._learning_rate.read_value()),
            "labels": sums["labels"],
        }

    def _gradients(self, inputs, labels, seed):
        """Sums over the rows of a replica: of gradients, one for each variable, and for the log."""
        count = self.settings.num_microbatches
        if count == 1:
            return self._microbatch_gradients(inputs, labels, seed)
        parts = tf.nest.map_structure(
            lambda rows: tf.reshape(rows, (count, -1, *rows.shape[1:])),
            (inputs, labels),
        )

        def add(index, sums):
            rows = tf.nest.map_structure(lambda part: part[index], parts)
            more = self._microbatch_gradients(*rows, fold_in(seed, index))
            return index + 1, tf.nest.map_structure(tf.add, sums, more)

        variables = self.model.trainable_variables
        zeros = (
            [tf.zeros(variable.shape, variable.dtype) for variable in variables],
            {name: tf.constant(0.0) for name in (*LABEL_SUMS, "z_loss")},
        )
        # A loop on the device: the memory of one microbatch is free before the next begins.
        _, sums = tf.while_loop(
            lambda index, sums: index < count, add, (0, zeros), maximum_iterations=count
        )
        return sums

    def _microbatch_gradients(self, inputs, labels, seed):
        labels = self.model.latent_labels(inputs, labels)
        with tf.GradientTape() as tape:
            logits = self.model(inputs, training=True, seed=seed)
            cross_entropy, z_loss = token_loss(
                labels, logits, self.settings.z_loss, self.settings.label_smoothing
            )
            loss = tf.reduce_sum(cross_entropy + z_loss)
        variables = [variable.value for variable in self.model.trainable_variables]
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # A sparse gradient (of the embedding) has no norm before its repeated rows are summed up.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        sums = label_sums(labels, logits, cross_entropy)
        return gradients, {**sums, "z_loss": tf.reduce_sum(z_loss)}

    def _replica_step(self, inputs, labels, step):
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        seed = fold_in(tf.stack([self.settings.seed, tf.cast(step, tf.int32)]), replica)
        gradients, sums = self._compiled(inputs, labels, seed)
        gradients, count = context.all_reduce(
            tf.distribute.ReduceOp.SUM, (gradients, sums["labels"])
        )
        if self.settings.normalization == "mean":
            gradients = [gradient / tf.maximum(count, 1.0) for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self.settings.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.settings.clip_norm, norm)
        # The optimizer sums over the replicas once more.
        self.optimizer.apply([gradient / replicas for gradient in gradients])
        self._sums.add(**sums, gradient_norm=norm / replicas, steps=1 / replicas)
