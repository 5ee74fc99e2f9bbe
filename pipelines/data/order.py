"""Which examples a host reads, and in which order: a pure function of (seed, epoch, host).

The examples of an epoch are numbered shard by shard, document by document. Host h of H takes the
h-th part of the numbers, equal but for one, in every epoch: it reads its own shards, and every
example is read once in an epoch, whatever H is. Its part is cut at the shards into pieces. In each
epoch the pieces are shuffled, and those that are read at once, a window, are shuffled within.

S shards, D documents, P pieces of a host.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Streams of draws that must not meet.
PIECES, EXAMPLES, CROPS = 1, 2, 3
_ALGORITHM = "philox"


class Part(NamedTuple):
    """What belongs to one host.

    Attributes:
        shard: int64 (P,).
        first: int64 (P,). Number of the piece's first example within its shard.
        count: int64 (P,). Examples of the piece; none is 0.
    """

    shard: np.ndarray
    first: np.ndarray
    count: np.ndarray


def host_part(examples_of_shards, host, num_hosts):
    """The pieces of one host.

    Args:
        examples_of_shards: int64 (S,).
        host: int. 0 … H − 1.
        num_hosts: int. H.

    Returns:
        `Part`, empty where there are fewer examples than hosts.
    """
    total = int(np.sum(examples_of_shards))
    return pieces(examples_of_shards, total * host // num_hosts, total * (host + 1) // num_hosts)


def pieces(numbers_of_shards, low, high):
    """The numbers low … high − 1, cut at the shards: `Part`."""
    end = np.cumsum(numbers_of_shards)
    start = end - numbers_of_shards
    first = np.clip(low - start, 0, numbers_of_shards)
    count = np.clip(high - start, 0, numbers_of_shards) - first
    (shard,) = np.nonzero(count > 0)
    return Part(shard.astype(np.int64), first[shard], count[shard])


def shuffled(number, seed, stream, *place):
    """A permutation of 0 … number − 1.

    Args:
        number: int or scalar tensor.
        seed: int.
        stream: int. One of this module's.
        place: ints or int64 scalar tensors, folded in one after the other.

    Returns:
        int64 (number,).
    """
    return tf.random.experimental.stateless_shuffle(
        tf.range(tf.cast(number, tf.int64)), key(seed, stream, *place), alg=_ALGORITHM
    )


def draw(limit, seed, stream, *place):
    """A number of 0 … limit − 1, int64 scalar."""
    return tf.random.stateless_uniform(
        (), key(seed, stream, *place), 0, limit, tf.int64, alg=_ALGORITHM
    )


def key(seed, stream, *place):
    """Key of stateless draws: int64 (2,)."""
    folded = tf.constant([seed, stream], tf.int64)
    for number in place:
        folded = tf.random.fold_in(folded, tf.cast(number, tf.int64), alg=_ALGORITHM)
    return folded


class Place(NamedTuple):
    """Where a host is.

    Attributes:
        window: int. Windows before it, those of earlier epochs included.
        skip: int. Examples of the window that are done with.
    """

    window: int
    skip: int


def num_windows(part, pieces_at_once):
    """Windows of an epoch."""
    return -(-part.shard.shape[0] // pieces_at_once)


def of_window(part, first_of_shard, pieces_at_once, seed, host, window):
    """What a host reads in a window, and in which order it takes the examples in it.

    Args:
        part: `Part` of tensors.
        first_of_shard: int64 tensor (S,) or more. Number of the first example of each shard.
        pieces_at_once: int. Pieces of a window.
        seed: int.
        host: int.
        window: int64 scalar tensor. Windows before it, those of earlier epochs included.

    Returns:
        int64 tensors: the epoch (), the numbers of the examples in order, and the window's shards,
        ascending.
    """
    per_epoch = num_windows(part, pieces_at_once)
    epoch, within = window // per_epoch, window % per_epoch
    chosen = shuffled(part.shard.shape[0], seed, PIECES, host, epoch)
    chosen = tf.sort(chosen[within * pieces_at_once : (within + 1) * pieces_at_once])
    shard, first, count = (tf.gather(column, chosen) for column in part)
    first += tf.gather(first_of_shard, shard)
    examples = tf.ragged.range(first, first + count).flat_values
    mixed = shuffled(tf.size(examples), seed, EXAMPLES, host, epoch, within)
    return epoch, tf.gather(examples, mixed), shard


def find(part, pieces_at_once, seed, host, position):
    """Where a host goes on after `position` examples, those of earlier epochs included.

    Takes the time of one epoch's shuffle of the pieces, wherever the position is.

    Args:
        part: `Part`.
        pieces_at_once: int. Pieces of a window.
        seed: int.
        host: int.
        position: int.

    Returns:
        `Place`.
    """
    epoch, rest = divmod(position, int(part.count.sum()))
    counts = part.count[shuffled(part.shard.size, seed, PIECES, host, epoch).numpy()]
    ends = np.cumsum(counts)[pieces_at_once - 1 :: pieces_at_once]
    window = int(np.searchsorted(ends, rest, side="right"))
    done = int(ends[window - 1]) if window else 0
    return Place(epoch * num_windows(part, pieces_at_once) + window, rest - done)
