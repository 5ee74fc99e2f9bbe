"""Where the latents sit, and what each of them may read (paper, section 2 and figure 2).

Pure functions of arrays. B batch, M inputs, N latents. A *step* is the index of an input; the
latent at step s is fed with input s, reads inputs 0 … s, and predicts input s + 1. Step −1 marks a
latent that has no input to sit on, because its row is shorter than N.
"""

from keras import ops


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


def cross_attention_mask(steps, input_steps):
    """The mask of the cross-attention: a latent reads inputs up to and including its own.

    Padding needs no term of its own: it lies behind every step.

    Args:
        steps: int32 (B, N), as `latent_steps` gives them.
        input_steps: int, M inputs in their order; or int32 (M,) or (B, M), the step of each, where
            some were left out.

    Returns:
        bool (B, N, M), True where attention is allowed. The row of a step −1 is all False.
    """
    rank = len(getattr(input_steps, "shape", ()))
    if rank == 0:
        input_steps = ops.arange(input_steps, dtype="int32")
    elif rank == 2:
        input_steps = ops.expand_dims(input_steps, 1)
    return ops.less_equal(input_steps, ops.expand_dims(steps, -1))


def latent_attention_mask(steps, keep=None):
    """The mask of the latent stack: causal, and blind to latents that sit on no input.

    The diagonal is always on (as in the original), so that no row of the softmax is empty. Latents
    of one position see each other.

    Args:
        steps: int32 (B, N).
        keep: bool (B, N) or None. Latents that others may read (`latent_dropout_prob`).

    Returns:
        bool (B, N, N), True where attention is allowed.
    """
    queries, keys = ops.expand_dims(steps, -1), ops.expand_dims(steps, -2)
    allowed = ops.logical_and(queries >= keys, keys >= 0)
    if keep is not None:
        allowed = ops.logical_and(allowed, ops.expand_dims(keep, 1))
    index = ops.arange(ops.shape(steps)[1])
    return ops.logical_or(allowed, ops.equal(ops.expand_dims(index, -1), index))


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
