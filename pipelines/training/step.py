"""The arithmetic of one step of training: no loop, no strategy, no optimizer."""

import tensorflow as tf

from keras_perceiver_ar.randomness import fold_in
from keras_perceiver_ar.training import token_loss
from pipelines.training.running_sums import LABEL_SUMS, label_sums

SUMS = (*LABEL_SUMS, "z_loss")


class Step:
    """From a batch and a model to the gradients that an optimizer takes.

    Gradients are summed over microbatches and replicas, and then clipped: Keras' own `clipnorm`
    would clip each replica's share.

    Args:
        model: `PerceiverARCausalLM`.
        settings: `TrainSettings`.
    """

    def __init__(self, model, settings):
        self._model = model
        self._settings = settings

    def gradients(self, inputs, labels, seed):
        """Sums over the rows of one replica.

        Args:
            inputs: dict of tensors (b, …), b the rows of a replica.
            labels: int32 (b, M).
            seed: int32 (2,). Of the dropout.

        Returns:
            list of tensors, the gradients, one for each trainable variable; and dict of float32
            scalars, named as in `SUMS`.
        """
        count = self._settings.num_microbatches
        if count == 1:
            return self._of_microbatch(inputs, labels, seed)
        parts = tf.nest.map_structure(
            lambda rows: tf.reshape(rows, (count, -1, *rows.shape[1:])),
            (inputs, labels),
        )

        def add(index, sums):
            rows = tf.nest.map_structure(lambda part: part[index], parts)
            more = self._of_microbatch(*rows, fold_in(seed, index))
            return index + 1, tf.nest.map_structure(tf.add, sums, more)

        variables = self._model.trainable_variables
        zeros = (
            [tf.zeros(variable.shape, variable.dtype) for variable in variables],
            {name: tf.constant(0.0) for name in SUMS},
        )
        # A loop on the device: the memory of one microbatch is free before the next begins.
        _, sums = tf.while_loop(
            lambda index, sums: index < count, add, (0, zeros), maximum_iterations=count
        )
        return sums

    def _of_microbatch(self, inputs, labels, seed):
        labels = self._model.latent_labels(inputs, labels)
        variables = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(variables)  # of a stateless call they are tensors
            logits = self._model(inputs, training=True, seed=seed)
            cross_entropy, z_loss = token_loss(
                labels, logits, self._settings.z_loss, self._settings.label_smoothing
            )
            loss = tf.reduce_sum(cross_entropy + z_loss)
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # A sparse gradient (of the embedding) has no norm before its repeated rows are summed up.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        sums = label_sums(labels, logits, cross_entropy)
        return gradients, {**sums, "z_loss": tf.reduce_sum(z_loss)}

    def combine(self, gradients, labels, all_reduce):
        """From each replica's sums to the gradients of the global batch.

        Args:
            gradients: list of tensors.
            labels: float32 (). How many labels count in them.
            all_reduce: function of a list of tensors that sums each over the replicas.

        Returns:
            list of tensors, normalised and clipped; float32 (), their global norm before they were
            clipped; bool (), whether that is a number: an optimizer should take no others.
        """
        *gradients, labels = all_reduce([*gradients, labels])
        if self._settings.normalization == "mean":
            gradients = [gradient / tf.maximum(labels, 1.0) for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self._settings.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._settings.clip_norm, norm)
        return gradients, norm, tf.math.is_finite(norm)
