"""The training examples of an epoch: of which document each is, and where it lies in it.

They are numbered document by document, through all shards of a split. S shards, D documents.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.data import order


class Examples(NamedTuple):
    """The examples of an epoch.

    Attributes:
        first: int64 tensor (D + 1,). Number of each document's first one; the last is how many
            there are.
        first_of_shard: int64 tensor (S + 1,). The same of each shard.
        num_targets: int64 tensor (D,). Targets of each document.
    """

    first: tf.Tensor
    first_of_shard: tf.Tensor
    num_targets: tf.Tensor

    @classmethod
    def of(cls, shards, targets_each):
        """The examples of `Shards`: one for every `targets_each` targets of a document."""
        each = -(-shards.num_targets // targets_each)
        first = np.concatenate([[0], np.cumsum(each)])
        arrays = first, first[shards.first_document], shards.num_targets
        return cls(*(tf.constant(array) for array in arrays))

    @property
    def of_shards(self):
        """int64 (S,). How many each shard has."""
        return np.diff(self.first_of_shard.numpy())

    def place(self, example, crop, seed, epoch):
        """Where an example lies, drawn anew in each epoch.

        Args:
            example: int64 scalar tensor. Its number.
            crop: `RandomCrop` or `LatentCrop`.
            seed: int.
            epoch: int64 scalar tensor.

        Returns:
            Scalar tensors: the number of its document, and the crop's `end` and `scored`.
        """
        number = tf.searchsorted(self.first, example[None], side="right")[0] - 1
        targets = tf.gather(self.num_targets, number)
        first, choices = crop.range(targets)
        # The k-th of K examples takes the k-th part of the choices.
        begin, stop = tf.gather(self.first, number), tf.gather(self.first, number + 1)
        drawn = order.draw(choices, seed, order.CROPS, epoch, example)
        choice = first + ((example - begin) * choices + drawn) // (stop - begin)
        return number, *crop.place(choice, targets)
