"""Evaluation on a split, or on a part of it."""

import time

import orbit
import tensorflow as tf

from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED
from keras_perceiver_ar.training import token_loss
from pipelines.data.batches import PLACES
from pipelines.errors import UserError
from pipelines.evaluation.metrics import interval, metrics
from pipelines.training.running_sums import LABEL_SUMS, RunningSums, hits, label_sums


class Evaluator(orbit.StandardEvaluator):
    """Sums over every label of a split, and the task's metrics of them.

    Args:
        model: `PerceiverARCausalLM`.
        task: the task that made the dataset.
        split: str.
        dataset: finite dataset, distributed by the strategy. Inputs may hold `batches.PLACES`.
        strategy: `tf.distribute.Strategy`.
        num_latents: int or None. Another N than the model's.
        part: pair of int, the batches of the dataset and those of the whole split; or None where
            they are the same.
        on_batch: function of the number of batches done, called before the first (0) and after
            every one.
        place_sums: `PlaceSums` or None. What is summed by place, by latent and by document, for
            figures that a training does not ask for.

    Attributes:
        targets_per_second: float or None. Of the last evaluation with `place_sums`, less its first
            batch, during which the step is compiled; None where there is no other.
    """

    def __init__(
        self, model, task, split, dataset, strategy, num_latents, part, on_batch, place_sums=None
    ):
        super().__init__(eval_dataset=dataset)
        self.model = model
        self.task = task
        self.split = split
        self.strategy = strategy
        self.num_latents = num_latents
        self.part = part
        self.on_batch = on_batch
        self.place_sums = place_sums
        self.targets_per_second = None
        with strategy.scope():
            vectors = place_sums.vectors if place_sums else {}
            self._sums = RunningSums((*LABEL_SUMS, "data"), vectors)

    def eval_begin(self):
        """Forgets the evaluation before; the loop's state is the number of batches done."""
        self._sums.reset()
        self._first = None
        self.on_batch(0)
        return 0

    @tf.autograph.experimental.do_not_convert  # as in `Trainer.train_step`
    def eval_step(self, iterator):
        """One batch of all replicas."""
        inputs, labels = next(iterator)
        self.strategy.run(self._replica_step, args=(inputs, labels))

    def eval_reduce(self, state=None, step_outputs=None):
        """Called on the host after each batch."""
        self.on_batch(state + 1)
        if self.place_sums and self._first is None:
            # Reading waits for the device.
            self._first = self._sums.read()["labels"], time.perf_counter()
        return state + 1

    def eval_end(self, *_):
        """`metrics` of the split or its part, which says so, and what is known by place."""
        sums = self._sums.read()
        if not sums["labels"]:
            raise UserError(f"no label of the split {self.split!r} counts: there is no figure")
        results = metrics(sums, self.task, self.split, self.part is not None)
        if self.place_sums:
            labels, begun = self._first
            timed, seconds = sums["labels"] - labels, time.perf_counter() - begun
            self.targets_per_second = timed / seconds if timed else None
            results |= interval(sums, self.task, self.split, self.part is not None)
            results |= self.place_sums.rows(sums)
        if self.part is not None:
            results["batches"], results["batches_of_split"] = self.part
        return results

    def _replica_step(self, inputs, labels):
        places = {name: inputs[name] for name in PLACES if name in inputs}
        inputs = {name: value for name, value in inputs.items() if name not in places}
        at_latents = self.model.latent_labels(inputs, labels, self.num_latents)
        logits = self.model(inputs, num_latents=self.num_latents)
        cross_entropy, _ = token_loss(at_latents, logits)
        # In float64 the order, and with it the number of replicas, makes no difference to speak of.
        cross_entropy = tf.cast(cross_entropy, tf.float64)
        is_data = tf.cast(at_latents >= NUM_RESERVED, tf.float64)
        sums = label_sums(at_latents, logits, cross_entropy)
        sums["data"] = tf.reduce_sum(is_data)
        if self.place_sums:
            # The number of each input, from 1: at a latent without input there is 0.
            numbers = tf.range(1, labels.shape[1] + 1) + tf.zeros_like(labels)
            steps = self.model.latent_labels(inputs, numbers, self.num_latents) - 1
            scores = {
                "loss": cross_entropy,
                "correct": tf.cast(hits(at_latents, logits), tf.float64),
                "labels": tf.cast(at_latents > 0, tf.float64),
                "data": is_data,
            }
            sums |= self.place_sums.sums(steps, places, scores)
        self._sums.add(**sums)
