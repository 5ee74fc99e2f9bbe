"""The steps of a run as functions of arrays alone, as one replica runs them.

Each program has `state`, specs of the arrays that it hands on to its next call, `rest`, specs of
its other arguments, and `donated`: which argument the place of which result may be.
"""

import keras
import tensorflow as tf

from keras_perceiver_ar.generation import decode
from keras_perceiver_ar.randomness import fold_in
from keras_perceiver_ar.training import token_loss
from pipelines.pure import make_stateless, shapes_alone
from pipelines.training.running_sums import LABEL_SUMS, label_sums
from pipelines.training.step import Step


class Program:
    """What the programs have in common.

    Args:
        model: `PerceiverARCausalLM` of shapes alone.
        rows: int. Of one replica.
    """

    def __init__(self, model, rows):
        self.model = model
        self.rows = rows
        self.variables = [*model.trainable_variables, *model.non_trainable_variables]
        self._count = len(model.trainable_variables)

    @property
    def weights(self):
        """Specs of the model's variables."""
        return [tf.TensorSpec(v.shape, v.dtype) for v in self.variables]

    @property
    def specs(self):
        """Specs of all arguments, one after the other."""
        return [*self.state, *tf.nest.flatten(self.rest)]

    def __call__(self, *arguments):
        state = arguments[: len(self.state)]
        rest = tf.nest.pack_sequence_as(self.rest, arguments[len(self.state) :])
        return tf.nest.flatten(self.run(state, *rest))

    def scope(self, values):
        """Within it the model's variables have these values."""
        return keras.StatelessScope(list(zip(self.variables, values, strict=True)))

    def _rows_of_data(self):
        """Inputs and labels, as every task gives them."""
        backbone = self.model.backbone
        shape, axes = (self.rows, backbone.max_context), backbone.num_index_dimensions
        inputs = {"token_ids": tf.TensorSpec(shape, tf.int32)}
        if axes > 1:
            inputs["positions"] = tf.TensorSpec((*shape, axes), tf.int32)
        return inputs, tf.TensorSpec(shape, tf.int32)


class TrainProgram(Program):
    """Forward, backward, sum over the replicas, clip and update: what `Trainer` does in a step.

    Args:
        model, rows: see `Program`.
        settings: `TrainSettings`.
        optimizer: Keras optimizer, not built.
        replicas: int.
    """

    def __init__(self, model, rows, settings, optimizer, replicas):
        super().__init__(model, rows)
        self._everyone = [list(range(replicas))]
        self._settings, self._optimizer = settings, optimizer
        self._step = Step(model, settings)
        make_stateless(optimizer)
        with shapes_alone():
            settings.prepare(optimizer, model.trainable_variables)
        slots = [tf.TensorSpec(v.shape, v.dtype) for v in optimizer.variables]
        self.state = [*self.weights, *slots]
        # `TPUStrategy` too hands each replica its number as an argument.
        numbers = tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.int32)
        self.rest = (*self._rows_of_data(), *numbers)
        self.donated = [(number, number) for number in range(len(self.state))]

    def run(self, state, inputs, labels, step, replica):
        """The next state, and the step's numbers for the log."""
        count = len(self.variables)
        weights, slots = list(state[:count]), list(state[count:])
        seed = fold_in(tf.stack([self._settings.seed, tf.cast(step, tf.int32)]), replica)
        with self.scope(weights):
            gradients, sums = self._step.gradients(inputs, labels, seed)
            combined = self._step.combine(gradients, sums["labels"], self._all_reduce)
        gradients, norm, finite = combined
        trainable, others = weights[: self._count], weights[self._count :]
        new = self._optimizer.stateless_apply(slots, gradients, trainable)
        # A step that is no number changes nothing, as in `GuardedUpdate`.
        trainable, slots = (
            [tf.where(finite, value, before) for value, before in zip(*pair, strict=True)]
            for pair in zip(new, (trainable, slots), strict=True)
        )
        return (
            trainable,
            others,
            slots,
            tf.stack([*sums.values(), norm, tf.cast(finite, "float32")]),
        )

    def _all_reduce(self, tensors):
        """The sum over all replicas, as `TPUStrategy` asks the device for it."""
        return [
            tf.raw_ops.CrossReplicaSum(input=tensor, group_assignment=self._everyone)
            for tensor in tensors
        ]


class EvaluateProgram(Program):
    """One batch of an evaluation: what `Evaluator` does in a step."""

    def __init__(self, model, rows):
        super().__init__(model, rows)
        self.sums = {name: tf.TensorSpec((), tf.float64) for name in LABEL_SUMS}
        self.state = tf.nest.flatten(self.sums)
        self.rest = (self.weights, *self._rows_of_data())
        self.donated = [(number, number) for number in range(len(self.state))]

    def run(self, state, weights, inputs, labels):
        """The next sums."""
        with self.scope(weights):
            labels = self.model.latent_labels(inputs, labels)
            logits = self.model(inputs)
        cross_entropy, _ = token_loss(labels, logits)
        sums = label_sums(labels, logits, tf.cast(cross_entropy, tf.float64))
        totals = tf.nest.pack_sequence_as(self.sums, state)
        return {name: totals[name] + tf.cast(sums[name], tf.float64) for name in totals}


class DecodeProgram(Program):
    """The whole generation: the prompts' forward pass, then an event at a time in one loop."""

    def __init__(self, model, rows):
        super().__init__(model, rows)
        inputs, _ = self._rows_of_data()
        of_rows = {
            "lengths": tf.int32,
            "max_new_tokens": tf.int32,
            "seeds": tf.int32,
        }
        inputs |= {name: tf.TensorSpec((rows,), dtype) for name, dtype in of_rows.items()}
        inputs["sampling"] = {
            name: tf.TensorSpec((rows,), tf.float32) for name in ("temperature", "top_p")
        }
        self.state, self.donated = [], []
        self.rest = (self.weights, inputs)

    def run(self, state, weights, inputs):
        """What `decode` returns."""
        with self.scope(weights):
            return decode(self.model, **inputs)
