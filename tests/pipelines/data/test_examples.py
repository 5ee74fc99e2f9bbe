"""Numbers of examples, by hand."""

import numpy as np
import tensorflow as tf

from pipelines.data.crops import RandomCrop
from pipelines.data.examples import Examples
from pipelines.data.shard_reader import Shards


def test_an_example_for_so_many_targets_of_a_document():
    # Documents of 5, 1 and 8 targets, the first two in one shard; one target of each is its EOS.
    shards = Shards(("a", "b"), np.array([0, 2, 3]), np.array([4, 0, 7]), ends=True, token_bytes=1)
    examples = Examples.of(shards, targets_each=4)
    assert examples.first.numpy().tolist() == [0, 2, 3, 5]
    assert examples.first_of_shard.numpy().tolist() == [0, 3, 5]
    assert examples.of_shards.tolist() == [3, 2]
    found = [
        [int(x) for x in examples.place(tf.constant(n, tf.int64), RandomCrop(), 0, epoch)]
        for epoch in range(20)
        for n in range(5)
    ]
    assert [number for number, _, _ in found] == [0, 0, 1, 2, 2] * 20
    ends = [{end for _, end, _ in found[n::5]} for n in range(5)]
    # Each takes its own half of the 5 or 8 places of a crop's end; the middle one of 5 is shared.
    assert ends == [{1, 2, 3}, {3, 4, 5}, {1}, {1, 2, 3, 4}, {5, 6, 7, 8}]
