"""Every example once in an epoch, and every place found again."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.data import order


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(1, 6))
def test_parts_of_all_hosts_are_all_examples_once(counts, num_hosts):
    counts = np.array(counts)
    numbers = []
    sizes = []
    for host in range(num_hosts):
        part = order.host_part(counts, host, num_hosts)
        assert (part.count > 0).all()
        sizes.append(int(part.count.sum()))
        for shard, first, count in zip(*part, strict=True):
            assert first >= 0 and first + count <= counts[shard]
            numbers += [(shard, first + k) for k in range(count)]
    assert numbers == [(shard, k) for shard, count in enumerate(counts) for k in range(count)]
    assert max(sizes) - min(sizes) <= 1


def test_pieces_are_cut_at_the_shards():
    part = order.pieces(np.array([3, 0, 4, 2]), 2, 8)
    assert [column.tolist() for column in part] == [[0, 2, 3], [2, 0, 0], [1, 4, 1]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(0, 60),
    st.integers(0, 3),
)
def test_find_is_what_counting_gives(counts, at_once, position, host):
    part = order.host_part(np.array(counts), 0, 1)
    window, left = 0, position
    per_epoch = order.num_windows(part, at_once)
    while True:  # walk through the windows one after the other
        epoch, within = divmod(window, per_epoch)
        pieces = order.shuffled(part.shard.size, 7, order.PIECES, host, epoch).numpy()
        size = int(part.count[pieces[within * at_once : (within + 1) * at_once]].sum())
        if left < size:
            break
        window, left = window + 1, left - size
    assert order.find(part, at_once, 7, host, position) == (window, left)


def test_shuffles_differ_by_seed_stream_and_place():
    shuffles = [
        order.shuffled(50, seed, stream, *place).numpy().tolist()
        for seed, stream, place in (
            (0, 1, (0, 0)),
            (1, 1, (0, 0)),
            (0, 2, (0, 0)),
            (0, 1, (1, 0)),
            (0, 1, (0, 1)),
        )
    ]
    assert all(sorted(shuffle) == list(range(50)) for shuffle in shuffles)
    assert len({tuple(shuffle) for shuffle in shuffles}) == 5
    # Written down: a run that goes on after an update must read on in the same order.
    assert order.shuffled(8, 0, order.PIECES, 0).numpy().tolist() == [1, 5, 6, 2, 7, 3, 4, 0]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_draws_cover_their_range(limit):
    drawn = {int(order.draw(limit, 0, order.CROPS, 0, place)) for place in range(60)}
    assert drawn == set(range(limit))


@pytest.mark.parametrize("host", [0, 1])
def test_windows_of_an_epoch_hold_every_example_of_a_host_once(host):
    counts = np.array([3, 1, 4, 2])
    first_of_shard = tf.constant(np.cumsum(counts) - counts)
    part = order.host_part(counts, host, 2)
    tensors = order.Part(*(tf.constant(column) for column in part))
    for epoch in range(2):
        seen = []
        for within in range(order.num_windows(part, 2)):
            window = tf.constant(epoch * order.num_windows(part, 2) + within, tf.int64)
            found = order.of_window(tensors, first_of_shard, 2, 7, host, window)
            assert int(found[0]) == epoch
            shards = found[2].numpy()
            assert shards.tolist() == sorted(shards) and len(shards) <= 2
            numbers = found[1].numpy()
            of = np.searchsorted(first_of_shard, numbers, side="right") - 1
            assert set(of) == set(shards)
            seen += numbers.tolist()
        assert sorted(seen) == list(range(5 * host, 5 * host + 5))


def test_the_order_of_a_window_stays_what_it_was():
    # Or a run that was started before would not go on where it stopped.
    part = order.Part(*(tf.constant(column) for column in order.host_part(np.array([6, 6]), 0, 1)))
    found = order.of_window(part, tf.constant([0, 6], tf.int64), 2, 7, 0, tf.constant(3, tf.int64))
    assert found[1].numpy().tolist() == [4, 11, 8, 1, 0, 5, 6, 10, 2, 7, 3, 9]
