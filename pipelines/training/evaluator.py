"""Evaluation on a split, or on a part of it."""

import math

import orbit
import tensorflow as tf

from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED
from keras_perceiver_ar.training import token_loss
from pipelines.errors import UserError
from pipelines.training.running_sums import LABEL_SUMS, RunningSums, label_sums

# Figures for each of something that only the data can count.
_COUNTED = {"bits_per_byte": "bytes", "word_perplexity": "words"}


class Evaluator(orbit.StandardEvaluator):
    """Sums over every label of a split, and the task's metrics of them.

    Args:
        model: `PerceiverARCausalLM`.
        task: the task that made the dataset.
        split: str.
        dataset: finite dataset, distributed by the strategy.
        strategy: `tf.distribute.Strategy`.
        num_latents: int or None. Another N than the model's.
        part: pair of int, the batches of the dataset and those of the whole split; or None where
            they are the same.
        on_batch: function of the number of batches done, called before the first (0) and after
            every one.
    """

    def __init__(self, model, task, split, dataset, strategy, num_latents, part, on_batch):
        super().__init__(eval_dataset=dataset)
        self.model = model
        self.task = task
        self.split = split
        self.strategy = strategy
        self.num_latents = num_latents
        self.part = part
        self.on_batch = on_batch
        with strategy.scope():
            self._sums = RunningSums((*LABEL_SUMS, "data"))

    def eval_begin(self):
        """Forgets the evaluation before; the loop's state is the number of batches done."""
        self._sums.reset()
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
        return state + 1

    def eval_end(self, *_):
        """`metrics` of the split or its part, which says so."""
        sums = self._sums.read()
        if not sums["labels"]:
            raise UserError(f"no label of the split {self.split!r} counts: there is no figure")
        results = metrics(sums, self.task, self.split, self.part is not None)
        if self.part is not None:
            results["batches"], results["batches_of_split"] = self.part
        return results

    def _replica_step(self, inputs, labels):
        labels = self.model.latent_labels(inputs, labels, self.num_latents)
        logits = self.model(inputs, num_latents=self.num_latents)
        cross_entropy, _ = token_loss(labels, logits)
        data = tf.reduce_sum(tf.cast(labels >= NUM_RESERVED, tf.float32))
        self._sums.add(**label_sums(labels, logits, cross_entropy), data=data)


def metrics(sums, task, split, is_part=False):
    """Turns sums over labels into what the task is measured by.

    Args:
        sums: dict of float, `LABEL_SUMS` and `data`, the labels that are no reserved ids.
        task: names its `evaluation_metrics` and the `units` of a split.
        split: str.
        is_part: bool. Whether the sums are of a part of the split. Nobody has counted its words,
            nor its bytes unless they are the labels: what needs them is left out.

    Returns:
        dict: `targets`, `loss` in nats per target, and the task's metrics. `bits_per_byte` is the
        length of a code for whole documents, their end included, over their bytes;
        `word_perplexity` is e to its nats over their words; `bits_per_dim` is of a channel of a
        pixel.
    """
    labels = max(sums["labels"], 1.0)
    units = {"bytes": sums["data"]} if task.is_text else {}
    if not is_part:
        units = task.units(split)
    values = {
        "accuracy": lambda: sums["correct"] / labels,
        "bits_per_byte": lambda: sums["loss"] / math.log(2) / units["bytes"],
        "bits_per_dim": lambda: sums["loss"] / math.log(2) / labels,
        "word_perplexity": lambda: _exp(sums["loss"] / units["words"]),
    }
    there = (n for n in task.evaluation_metrics if n not in _COUNTED or units.get(_COUNTED[n]))
    results = {name: values[name]() for name in there}
    return {**results, "loss": sums["loss"] / labels, "targets": int(sums["labels"])}


def left_out(task):
    """Names of the task's metrics that there are not for a part of a split."""
    there = (None, "bytes") if task.is_text else (None,)
    return [name for name in task.evaluation_metrics if _COUNTED.get(name) not in there]


def _exp(nats):
    try:
        return math.exp(nats)
    except OverflowError:  # text with hardly any space in it is hardly any words
        return math.inf
