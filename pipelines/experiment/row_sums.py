"""What a model says of rows, summed row by row, on any backend."""

import keras
import numpy as np
from keras import ops

from keras_perceiver_ar.training import token_loss


class RowSums(keras.Model):
    """Sums of each row over its labels: nats, right guesses and how many there are.

    Args:
        model: of logits, `PerceiverARCausalLM` or a `Baseline`.
        num_latents: int or None. Another N than the model's.

    Call arguments:
        inputs: dict as the model takes it, and `labels` int (B, M), 0 where none counts.

    Returns:
        float32 (B, 3).
    """

    def __init__(self, model, num_latents=None):
        super().__init__()
        self.model, self.num_latents = model, num_latents
        self.built = True

    def call(self, inputs):
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        if hasattr(self.model, "latent_labels"):
            labels = self.model.latent_labels(inputs, labels, self.num_latents)
            logits = self.model(inputs, num_latents=self.num_latents)
        else:
            logits = self.model(inputs)
        nats, _ = token_loss(labels, logits)
        counts = labels > 0
        hits = ops.logical_and(counts, ops.equal(ops.argmax(logits, -1), labels))
        sums = [nats, *(ops.cast(x, "float32") for x in (hits, counts))]
        return ops.stack([ops.sum(x, axis=1) for x in sums], axis=-1)

    def over(self, batches):
        """Sums of rows that come in batches, all of one shape.

        Args:
            batches: sequence of `(inputs, labels)`, or such with more behind them.

        Returns:
            float64 (rows, 3).
        """
        if not self.compiled:
            self.compile()
        rows = self.predict(_WithLabels(batches), verbose=0)
        return np.asarray(rows, np.float64)


class _WithLabels(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, labels = self.batches[index][:2]
        return ({**inputs, "labels": labels},)
