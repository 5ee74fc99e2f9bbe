"""Rows of the copy task for a curriculum from short sequences to long ones.

A sequence of half-length h is SOS, h − 1 random ids, the same ids backwards, EOS: 2h events. What
is mirrored stands as far behind the middle as its source before it. The positions of a short one
lie around the middle of the longest one: those of a target and of its source then have the same sum
in all of them, and longer sequences only reach further out.
"""

import numpy as np

from keras_perceiver_ar.codecs.event_ids import EOS, NUM_RESERVED, SOS

SHORTEST = 8  # half-length


def training_rows(rng, batch_size, half, longest, num_latents, num_values=256):
    """Rows that end somewhere in what is mirrored; that alone is labelled.

    Half of the rows have the half-length that is asked for, the others one that is drawn evenly on
    a logarithmic scale from 8 to it, so that what was learned before is not forgotten.

    Args:
        rng: `np.random.Generator`.
        batch_size: int. B.
        half: int. Of the longest sequence in the batch; rows have M = 2 · half inputs.
        longest: int. The largest half-length of the curriculum.
        num_latents: int. N. A row's last min(N, h − 1) inputs are in what is mirrored.
        num_values: int. Different ids.

    Returns:
        dict of `token_ids` int32 (B, M) and `positions` int32 (B, M), and labels int32 (B, M).
    """
    shorter = np.exp2(rng.uniform(np.log2(SHORTEST), np.log2(half), batch_size)).astype(np.int64)
    halves = np.where(rng.random(batch_size) < 0.5, half, shorter)
    scored = np.minimum(num_latents, halves - 1)
    ends = rng.integers(halves - 1 + scored, 2 * halves - 1)
    ids = rng.integers(NUM_RESERVED, NUM_RESERVED + num_values, (batch_size, half - 1))
    return _rows(ids, halves, ends, 2 * half, longest)


class EvaluationRows:
    """Whole sequences, every mirrored id of which is predicted once, in blocks of N.

    Batches of `(inputs, labels)`, as those of `training_rows`.

    Args:
        half: int. h.
        longest: int.
        sequences: int. How many of them.
        batch_size: int. Rows at once; the last batch is filled up with rows without labels.
        num_latents: int. N.
        seed: int.
        num_values: int.
    """

    def __init__(self, half, longest, sequences, batch_size, num_latents, seed=0, num_values=256):
        self.half, self.longest, self.batch_size = half, longest, batch_size
        rng = np.random.default_rng([seed, half])
        self.ids = rng.integers(NUM_RESERVED, NUM_RESERVED + num_values, (sequences, half - 1))
        # Of a block's inputs the last is followed by its last target.
        ends = np.arange(2 * half - 2, half - 1, -num_latents)
        # The first block of a sequence is shorter: what is before it is no target.
        self.rows = [(sequence, end) for sequence in range(sequences) for end in ends]
        self.num_latents = num_latents

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index):
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        rows += [(0, 0)] * (self.batch_size - len(rows))
        sequence, ends = np.array(rows).T
        halves = np.full(self.batch_size, self.half)
        inputs, labels = _rows(self.ids[sequence], halves, ends, 2 * self.half, self.longest)
        # Those that the latents of this row sit on, which are the last inputs.
        place = np.arange(2 * self.half)
        return inputs, np.where(place >= ends[:, None] - self.num_latents, labels, 0)


def _rows(ids, halves, ends, context, longest):
    """Rows of so many first events of sequences, of which the mirrored ids are labelled."""
    halves, place = halves[:, None], np.arange(context + 1)
    source = np.where(place < halves, place - 1, 2 * halves - 2 - place)
    events = np.take_along_axis(ids, np.clip(source, 0, ids.shape[1] - 1), axis=1)
    events = np.where(place == 0, SOS, np.where(place == 2 * halves - 1, EOS, events))
    there = place[:-1] < ends[:, None]
    mirrored = there & (place[1:] >= halves) & (place[1:] < 2 * halves - 1)
    positions = np.where(there, longest - halves + 1 + place[:-1], 0)
    inputs = {
        "token_ids": np.where(there, events[:, :-1], 0).astype(np.int32),
        "positions": positions.astype(np.int32),
    }
    return inputs, np.where(mirrored, events[:, 1:], 0).astype(np.int32)
