"""One step of training, and the loop around it on the device."""

import orbit
import tensorflow as tf

from keras_perceiver_ar.randomness import fold_in
from keras_perceiver_ar.training import token_loss
from pipelines.distribution import host_float
from pipelines.training.running_sums import LABEL_SUMS, RunningSums, label_sums


class Trainer(orbit.StandardTrainer):
    """Trains a model under any strategy.

    Gradients are summed over the replicas, then clipped, then applied: Keras' own `clipnorm` would
    clip each replica's share. Dropout is drawn from (seed, step, replica), so replicas differ and a
    resumed run repeats itself; nothing about it has to be saved.

    Set `train_dataset` before training.

    Args:
        model: `PerceiverARCausalLM`, made in the scope of the strategy.
        optimizer: Keras optimizer, made there too.
        settings: `TrainSettings`.
        strategy: `tf.distribute.Strategy`.
        global_step: int64 `tf.Variable`.
    """

    def __init__(self, model, optimizer, settings, strategy, global_step):
        super().__init__(train_dataset=None)
        self.model = model
        self.optimizer = optimizer
        self.settings = settings
        self.strategy = strategy
        self.global_step = global_step
        with strategy.scope():
            optimizer.build(model.trainable_variables)
            self._sums = RunningSums((*LABEL_SUMS, "gradient_norm", "steps"))
        # Only this part may be compiled by XLA: the exchange between replicas may not, on some.
        self._compiled = tf.function(self._gradients, jit_compile=settings.jit_compile)

    def train_loop_begin(self):
        """Forgets the sums of the loop before."""
        self._sums.reset()

    def train_step(self, iterator):
        """One step of all replicas, on the device."""
        inputs, labels = next(iterator)
        step = self.global_step.read_value()
        self.strategy.run(self._replica_step, args=(inputs, labels, step))
        self.global_step.assign_add(1)

    def train_loop_end(self):
        """Of the loop: loss in nats per label, accuracy, mean gradient norm, number of labels."""
        sums = self._sums.read()
        labels, steps = max(sums["labels"], 1.0), max(sums["steps"], 1.0)
        return {
            "loss": sums["loss"] / labels,
            "accuracy": sums["correct"] / labels,
            "gradient_norm": sums["gradient_norm"] / steps,
            "learning_rate": host_float(self.optimizer.learning_rate),
            "labels": sums["labels"],
        }

    def _gradients(self, inputs, labels, seed):
        labels = self.model.latent_labels(inputs, labels)
        with tf.GradientTape() as tape:
            logits = self.model(inputs, training=True, seed=seed)
            cross_entropy, z_loss = token_loss(labels, logits, self.settings.z_loss)
            loss = tf.reduce_sum(cross_entropy + z_loss)
        variables = [variable.value for variable in self.model.trainable_variables]
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # A sparse gradient (of the embedding) has no norm before its repeated rows are summed up.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return gradients, label_sums(labels, logits, cross_entropy)

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
