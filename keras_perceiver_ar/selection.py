"""Which inputs and latents are left out in training, as pure functions of a seed.

B batch, M inputs, N latents, K inputs that are kept. Every row draws for itself.
"""

from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.masks import NOWHERE


def keep_each(seed, rate, shape):
    """Keeps each entry with probability 1 − rate.

    Args:
        seed: uint32 (2,).
        rate: float in [0, 1).
        shape: pair (B, M).

    Returns:
        bool (B, M), True where an entry stays.
    """
    return _uniform(seed, shape) >= rate


def drop_inputs(seed, rate, lengths, num_inputs, num_spared=0):
    """Leaves out each input with a probability of its own (`encoder_dropout_prob`).

    The first input of a row always stays: a latent that may read nothing would take the mean of
    everything, the inputs after it included.

    Args:
        seed: uint32 (2,).
        rate: float in [0, 1).
        lengths: int32 (B,), valid inputs of each row.
        num_inputs: int. M.
        num_spared: int. The last valid inputs of each row that always stay.

    Returns:
        int32 (B, M), the step of each input, `masks.NOWHERE` where it was left out.
    """
    index = ops.arange(num_inputs, dtype="int32")
    keep = keep_each(seed, rate, (ops.shape(lengths)[0], num_inputs))
    keep = ops.logical_or(keep, _protected(index, lengths, num_spared))
    return ops.where(keep, index, NOWHERE)


def select_inputs(seed, count, lengths, num_inputs, num_spared=0):
    """Chooses exactly `count` inputs of each row, all subsets alike (`train_input_positions`).

    The first input and the last `num_spared` are always chosen. Padding is chosen where a row has
    too few inputs, and nowhere else (in the original it takes places from inputs that are there).

    Args:
        seed: uint32 (2,).
        count: int. K, at least 1 + num_spared.
        lengths: int32 (B,), valid inputs of each row.
        num_inputs: int. M, at least K.
        num_spared: int.

    Returns:
        int32 (B, K), the steps of the chosen inputs, ascending.
    """
    index = ops.arange(num_inputs, dtype="int32")
    lengths_column = ops.expand_dims(lengths, 1)
    draws = _uniform(seed, (ops.shape(lengths)[0], num_inputs))
    draws = ops.where(_protected(index, lengths, num_spared), draws + 2.0, draws)
    draws = ops.where(index < lengths_column, draws, draws - 2.0)
    _, chosen = ops.top_k(draws, count)
    return ops.sort(ops.cast(chosen, "int32"), axis=-1)


def _protected(index, lengths, num_spared):
    lengths = ops.expand_dims(lengths, 1)
    spared = ops.logical_and(index >= lengths - num_spared, index < lengths)
    return ops.logical_or(ops.equal(index, 0), spared)


def _uniform(seed, shape):
    row = ops.expand_dims(ops.arange(shape[0], dtype="int32"), 1)
    column = ops.expand_dims(ops.arange(shape[1], dtype="int32"), 0)
    # Threefry adds, so that these two broadcast.
    return randomness.uniform((seed[0], seed[1]), (row, column))
