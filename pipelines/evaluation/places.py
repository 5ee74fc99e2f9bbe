"""The loss by where in its document a target lies, and by the latent that scored it.

b rows of a replica, M inputs, U positions of latents.
"""

import tensorflow as tf

from pipelines.data.batches import PLACES

# By the number of a target in its document, the first being 0: below 512, 1024, 2048, …
_FIRST_EDGE, _LAST_EDGE = 512, 2**30
KINDS = ("position", "latent")


class Buckets:
    """Ranges of whole numbers, each twice as long as the one before.

    Args:
        first: int. End of the first range, which begins with 0.
        last: int. No edge lies beyond it.
    """

    def __init__(self, first, last):
        self.edges = [0]
        edge = first
        while edge <= last:
            self.edges.append(edge)
            edge *= 2

    def __len__(self):
        return len(self.edges)

    def of(self, numbers):
        """int32 (…): the bucket of each of int32 (…)."""
        beyond = numbers[..., None] >= tf.constant(self.edges[1:], numbers.dtype)
        return tf.reduce_sum(tf.cast(beyond, tf.int32), -1)

    def rows(self, loss, targets, end=None):
        """What is known of each bucket that holds a target.

        Args:
            loss: float64 (K,). Nats of each.
            targets: float64 (K,).
            end: int or None. Where the last bucket ends.

        Returns:
            list of dict: `from`, `to` (excluded; None where there is no end), `loss` in nats for
            each target, and `targets`.
        """
        ends = [*self.edges[1:], end]
        columns = zip(self.edges, ends, loss.tolist(), targets.tolist(), strict=True)
        return [
            {"from": begin, "to": stop, "loss": total / count, "targets": int(count)}
            for begin, stop, total, count in columns
            if count
        ]


class PlaceSums:
    """What is summed by place, by latent and by document beside the sums of a split.

    Args:
        num_positions: int. U.
        num_documents: int or None. D of the split; None where rows do not say where they are from.
    """

    def __init__(self, num_positions, num_documents=None):
        self._end = num_positions
        self._num_documents = num_documents
        self._latents = Buckets(1, num_positions - 1)
        self._positions = Buckets(_FIRST_EDGE, _LAST_EDGE)

    @property
    def vectors(self):
        """dict of str to int: the names of the sums, and how many numbers each holds."""
        names = {f"latent_{name}": len(self._latents) for name in ("loss", "labels")}
        if self._num_documents is not None:
            names |= {f"position_{name}": len(self._positions) for name in ("loss", "labels")}
            of_documents = ("loss", "correct", "labels", "data")
            names |= {f"document_{name}": self._num_documents for name in of_documents}
        return names

    def sums(self, steps, places, scores):
        """A replica's sums.

        Args:
            steps: int32 (b, U), the input of its row that each latent sits on; −1 where none.
            places: dict of int32 (b,): `document` and `start`, or empty.
            scores: dict of float64 (b, U): `loss`, `correct`, `labels` and `data`, 0 where a label
                does not count.

        Returns:
            dict of float64 (K,), named as `vectors`.
        """

        def by(name, numbers, size):
            numbers = tf.reshape(numbers, [-1])
            return {
                f"{name}_{key}": tf.math.unsorted_segment_sum(
                    tf.reshape(scores[key], [-1]), numbers, size
                )
                for key in ("loss", "labels")
            }

        # A row of fewer inputs than latents has none on its left.
        missing = tf.reduce_sum(tf.cast(steps < 0, tf.int32), 1, keepdims=True)
        latent = tf.range(self._end)[None] - missing
        found = by("latent", self._latents.of(latent), len(self._latents))
        if self._num_documents is None:
            return found
        document, start = (places[name] for name in PLACES)
        # Input s of a row is event start + s, and its target the number of that event.
        found |= by("position", self._positions.of(start[:, None] + steps), len(self._positions))
        for key, values in scores.items():
            of_rows = tf.reduce_sum(values, 1)
            found[f"document_{key}"] = tf.math.unsorted_segment_sum(
                of_rows, document, self._num_documents
            )
        return found

    def rows(self, sums):
        """`loss_by_position` (None where it is not known) and `loss_by_latent` of sums over all."""
        position = None
        if self._num_documents is not None:
            position = self._positions.rows(sums["position_loss"], sums["position_labels"])
        latent = self._latents.rows(sums["latent_loss"], sums["latent_labels"], self._end)
        return {"loss_by_position": position, "loss_by_latent": latent}
