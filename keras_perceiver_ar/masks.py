"""Where the latents sit, and what each of them may read (paper, section 2 and figure 2).

Pure functions of arrays. B batch, M inputs, N latents. A *step* is the index of an input; the
latent at step s is fed with input s, reads inputs 0 … s, and predicts input s + 1. Step −1 marks a
latent that has no input to sit on, because its row is shorter than N.
"""

import keras
from keras import ops

# The step of what no latent may read: it lies behind all of theirs.
NOWHERE = 2**30


def sequence_lengths(token_ids):
    """Number of valid inputs of each row: the index of its first 0, or M where there is none.

    Args:
        token_ids: int32 (B, M), 0 is padding.

    Returns:
        int32 (B,).
    """
    num_inputs = ops.shape(token_ids)[1]
    is_padding = ops.cast(ops.equal(token_ids, 0), "int32")
    first = ops.cast(ops.argmax(is_padding, axis=1), "int32")
    has_padding = ops.any(ops.equal(token_ids, 0), axis=1)
    return ops.where(has_padding, first, ops.cast(num_inputs, "int32"))


def latent_steps(lengths, num_latents):
    """Puts the latents on the last N valid inputs of each row.

    Args:
        lengths: int32 (B,), valid inputs of each row.
        num_latents: int. N.

    Returns:
        int32 (B, N), ascending along N. A row of fewer than N inputs has −1 on the left.
    """
    offsets = ops.arange(num_latents, dtype="int32") - num_latents
    return ops.maximum(ops.expand_dims(ops.cast(lengths, "int32"), 1) + offsets, -1)


def repeat_latents(values, latents_per_position):
    """Gives every latent of a position what belongs to the position.

    Args:
        values: (B, U, …), one entry for each of U positions.
        latents_per_position: int. n.

    Returns:
        (B, U · n, …); the n latents of a position stand side by side.
    """
    return values if latents_per_position == 1 else ops.repeat(values, latents_per_position, axis=1)


class StepMask:
    """Which keys each query may read, told by their steps: those of its own step and before.

    It takes N + M numbers a row where a mask of booleans takes N · M, and each route of the
    attention makes of it what it needs. What is no key at all has the step `NOWHERE`.

    Args:
        query_steps: int32 (B, N), ascending along N.
        key_steps: int32 (B, M), or (M,) for all rows.
        diagonal: bool. Whether query i may read key i in any case, so that none reads nothing.
        causal_chunk: int or None. Queries and keys are the same, in the same order, and come in
            groups of this size: none reads a key of a later group.
        query_start: int. Place of the first query, where the mask is part of a larger one.
        key_start: int or int32 scalar. Place of the first key.
    """

    def __init__(
        self,
        query_steps,
        key_steps,
        diagonal=False,
        causal_chunk=None,
        query_start=0,
        key_start=0,
    ):
        self.query_steps = query_steps
        self.key_steps = key_steps
        self.diagonal = diagonal
        self.causal_chunk = causal_chunk
        self.query_start = query_start
        self.key_start = key_start

    def with_steps(self, query_steps, key_steps):
        """The same mask of other arrays of steps."""
        return StepMask(
            query_steps,
            key_steps,
            self.diagonal,
            self.causal_chunk,
            self.query_start,
            self.key_start,
        )

    def dense(self):
        """Bool (B, N, M), True where attention is allowed."""
        keys = self.key_steps
        if len(keys.shape) == 2:
            keys = ops.expand_dims(keys, 1)
        allowed = ops.less_equal(keys, ops.expand_dims(self.query_steps, -1))
        if not self.diagonal:
            return allowed
        queries = self.query_start + ops.arange(ops.shape(self.query_steps)[1], dtype="int32")
        keys = self.key_start + ops.arange(ops.shape(self.key_steps)[-1], dtype="int32")
        # Of constants alone it would be worked out while compiling, for each block anew: gigabytes.
        queries = ops.add(queries, 0 * ops.sum(self.query_steps[:1, :1]))
        return ops.logical_or(allowed, ops.equal(ops.expand_dims(queries, -1), keys))

    def __getitem__(self, item):
        """The part of some queries and some keys, as of a bool (B, N, M): `mask[:, 2:4, :9]`."""
        _, queries, keys = item
        return StepMask(
            self.query_steps[:, queries],
            self.key_steps[..., keys],
            self.diagonal,
            None,
            self.query_start + (queries.start or 0),
            self.key_start + (keys.start or 0),
        )

    def keys_from(self, start, size):
        """The part of all queries and of `size` keys from `start`, an int32 scalar."""
        steps = self.key_steps
        if len(steps.shape) == 1:
            steps = ops.slice(steps, (start,), (size,))
        else:
            steps = ops.slice(steps, (0, start), (ops.shape(steps)[0], size))
        place = self.key_start + start
        return StepMask(self.query_steps, steps, self.diagonal, None, self.query_start, place)


def cross_attention_mask(steps, input_steps):
    """The mask of the cross-attention: a latent reads inputs up to and including its own.

    Padding needs no term of its own: it lies behind every step.

    Args:
        steps: int32 (B, N), as `latent_steps` gives them.
        input_steps: int, M inputs in their order; or int32 (M,) or (B, M), the step of each, where
            some were left out.

    Returns:
        `StepMask` of (B, N, M); of symbolic steps a bool (B, N, M). A latent of step −1 may read
        nothing.
    """
    if len(getattr(input_steps, "shape", ())) == 0:
        input_steps = ops.arange(input_steps, dtype="int32")
    return _of_tensors(StepMask(steps, input_steps))


def latent_attention_mask(steps, keep=None, latents_per_position=1):
    """The mask of the latent stack: causal, and blind to latents that sit on no input.

    The diagonal is always on (as in the original), so that no row of the softmax is empty. Latents
    of one position see each other.

    Args:
        steps: int32 (B, N).
        keep: bool (B, N) or None. Latents that others may read (`latent_dropout_prob`).
        latents_per_position: int. n.

    Returns:
        `StepMask` of (B, N, N); of symbolic steps a bool (B, N, N).
    """
    there = steps >= 0 if keep is None else ops.logical_and(steps >= 0, keep)
    key_steps = ops.where(there, steps, NOWHERE)
    mask = StepMask(steps, key_steps, diagonal=True, causal_chunk=latents_per_position)
    return _of_tensors(mask)


def _of_tensors(mask):
    """A mask that a functional model can follow: it knows tensors and nothing made of them."""
    return mask.dense() if isinstance(mask.query_steps, keras.KerasTensor) else mask


def gather_at_steps(values, steps):
    """Picks the entries of `values` on which the latents sit.

    Args:
        values: (B, M) or (B, M, …).
        steps: int32 (B, N). Step −1 picks the last entry, as NumPy's indexing does (the original
            does so too; what such a latent holds is masked in the loss).

    Returns:
        (B, N) or (B, N, …), dtype of `values`.
    """
    steps = ops.where(steps < 0, steps + ops.shape(values)[1], steps)
    rank = len(values.shape)
    return ops.take_along_axis(
        values, ops.reshape(steps, (*ops.shape(steps), *[1] * (rank - 2))), 1
    )
