"""Random numbers as pure functions of a key, bit for bit the same on every backend and batch split.

Keras draws one tensor from one seed. Sampling needs one stream per row of the batch (or a row would
change with its neighbours), and dropout needs seeds that are derived, not drawn (or replicas,
rematerialised blocks and resumed runs would not agree). Both rest on Threefry-2x32 with 20 rounds
(Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which Keras has no op for.
"""

import keras
import numpy as np
from keras import ops

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry_2x32(key, counter):
    """Encrypts a counter with a key.

    Args:
        key: pair of uint32 tensors that broadcast against the counter's.
        counter: pair of uint32 tensors.

    Returns:
        Pair of uint32 tensors, uniformly distributed bits.
    """

    def constant(number):
        return ops.convert_to_tensor(np.uint32(number))

    k0, k1 = (ops.cast(part, "uint32") for part in key)
    schedule = (k0, k1, ops.bitwise_xor(ops.bitwise_xor(k0, k1), constant(_PARITY)))
    x0 = ops.cast(counter[0], "uint32") + schedule[0]
    x1 = ops.cast(counter[1], "uint32") + schedule[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            left = ops.bitwise_left_shift(x1, constant(bits))
            right = ops.bitwise_right_shift(x1, constant(32 - bits))
            x1 = ops.bitwise_xor(ops.bitwise_or(left, right), x0)
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + constant(group + 1)
    return x0, x1


def fold_in(seed, number):
    """Derives a seed from a seed and a number (a layer, a step, a replica), or one from each.

    Args:
        seed: integer tensor (2,).
        number: int or integer tensor (…), ≥ 0.

    Returns:
        uint32 (…, 2).
    """
    seed = ops.cast(seed, "uint32")
    number = ops.cast(ops.convert_to_tensor(number), "uint32")
    return ops.stack(threefry_2x32((seed[0], seed[1]), (number, ops.zeros_like(number))), axis=-1)


def split(seed, count):
    """What `fold_in` derives from the numbers below a count, of one encryption.

    Args:
        seed: integer tensor (2,), or None.
        count: int.

    Returns:
        list of uint32 (2,); of None where there is no seed.
    """
    if seed is None:
        return [None] * count
    # Encrypted one by one, the numbers of a deep stack would be a good part of its program.
    return ops.unstack(fold_in(seed, np.arange(count, dtype="uint32")), num=count)


def uniform(key, counter):
    """Uniform numbers in [0, 1) with 24 random bits each.

    Args:
        key: pair of integer tensors (B,).
        counter: pair of integer tensors (B,).

    Returns:
        float32 (B,).
    """
    bits = ops.bitwise_right_shift(
        threefry_2x32(key, counter)[0], ops.convert_to_tensor(np.uint32(8))
    )
    # Through int32: TensorFlow has no uint32 → float32 cast on every device.
    return ops.cast(ops.cast(bits, "int32"), "float32") * float(2.0**-24)


class FixedSeed(keras.random.SeedGenerator):
    """Hands a seed that was derived elsewhere to `keras.random`, which takes no tensor itself.

    Args:
        seed: uint32 (2,).
    """

    def __init__(self, seed):  # no state: the base class would create a variable
        self._seed = seed

    def next(self, ordered=True):
        """Returns the seed, the same at every call."""
        return ops.cast(self._seed, "uint32")


def dropout(x, rate, seed):
    """Sets elements to 0 at a rate and scales the others by 1 / (1 − rate).

    Args:
        x: float tensor.
        rate: float in [0, 1). 0 returns `x`.
        seed: uint32 (2,).

    Returns:
        Tensor like `x`.
    """
    return keras.random.dropout(x, rate, seed=FixedSeed(seed)) if rate else x
