"""Evaluation on a whole split."""

import math

import orbit
import tensorflow as tf

from keras_perceiver_ar.training import token_loss
from pipelines.training.running_sums import LABEL_SUMS, RunningSums, label_sums


class Evaluator(orbit.StandardEvaluator):
    """Sums over every label of a split, and the task's metrics of them.

    Args:
        model: `PerceiverARCausalLM`.
        task: the task that made the dataset.
        split: str.
        dataset: finite dataset, distributed by the strategy.
        strategy: `tf.distribute.Strategy`.
        num_latents: int or None. Another N than the model's.
        on_batch: function of the number of batches done, called before the first (0) and after
            every one.
    """

    def __init__(self, model, task, split, dataset, strategy, num_latents, on_batch):
        super().__init__(eval_dataset=dataset)
        self.model = model
        self.task = task
        self.split = split
        self.strategy = strategy
        self.num_latents = num_latents
        self.on_batch = on_batch
        with strategy.scope():
            self._sums = RunningSums(LABEL_SUMS)

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
        """`metrics` of the whole split."""
        return metrics(self._sums.read(), self.task, self.split)

    def _replica_step(self, inputs, labels):
        labels = self.model.latent_labels(inputs, labels, self.num_latents)
        logits = self.model(inputs, num_latents=self.num_latents)
        cross_entropy, _ = token_loss(labels, logits)
        self._sums.add(**label_sums(labels, logits, cross_entropy))


def metrics(sums, task, split):
    """Turns sums over labels into what the task is measured by.

    Args:
        sums: dict of float, `LABEL_SUMS`.
        task: names its `evaluation_metrics` and the `units` of a split.
        split: str.

    Returns:
        dict: `targets`, `loss` in nats per target, and the task's metrics. `bits_per_byte` is the
        length of a code for whole documents, their end included, over their bytes;
        `word_perplexity` is e to its nats over their words; `bits_per_dim` is of a channel of a
        pixel.
    """
    labels = max(sums["labels"], 1.0)
    values = {
        "accuracy": lambda: sums["correct"] / labels,
        "bits_per_byte": lambda: sums["loss"] / math.log(2) / task.units(split)["bytes"],
        "bits_per_dim": lambda: sums["loss"] / math.log(2) / labels,
        "word_perplexity": lambda: math.exp(sums["loss"] / task.units(split)["words"]),
    }
    results = {name: values[name]() for name in task.evaluation_metrics}
    return {**results, "loss": sums["loss"] / labels, "targets": int(sums["labels"])}
