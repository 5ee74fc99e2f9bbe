"""Blocks and crops as numbers; `tests/golden/test_windows.py` has the original's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data import windows


def rows(num_events, context, num_latents, unscored=0):
    found = windows.block_windows(num_events, context, num_latents, unscored)
    return list(zip(*(column.tolist() for column in found)))


def test_first_block_holds_the_remainder():
    # document, start, length, scored: 11 targets in blocks of 3 + 4 + 4.
    assert rows(12, context=6, num_latents=4) == [(0, 0, 3, 3), (0, 1, 6, 4), (0, 5, 6, 4)]


def test_blocks_of_several_documents():
    # The first fits one full block, the second is shorter than a block, the third has a remainder.
    assert rows([5, 3, 7], context=4, num_latents=4) == [
        (0, 0, 4, 4),
        (1, 0, 2, 2),
        (2, 0, 2, 2),
        (2, 2, 4, 4),
    ]


def test_the_first_targets_may_be_of_no_block():
    # Of 11 targets the first 6 are not scored: 1 + 2 + 2 are left.
    assert rows(12, context=9, num_latents=2, unscored=6) == [
        (0, 0, 7, 1),
        (0, 0, 9, 2),
        (0, 2, 9, 2),
    ]
    assert rows([4, 6], 5, 5, unscored=2) == [(0, 0, 3, 1), (1, 0, 5, 3)]


def test_dtypes():
    assert [c.dtype for c in windows.block_windows([3], 2, 1)] == [
        "int64",
        "int64",
        "int32",
        "int32",
    ]


@given(
    num_events=st.lists(st.integers(2, 60), max_size=6),
    context=st.integers(1, 40),
    data=st.data(),
)
def test_each_target_is_scored_exactly_once_with_the_longest_context(num_events, context, data):
    num_latents = data.draw(st.integers(1, context))
    seen = [[] for _ in num_events]
    for document, start, length, scored in rows(num_events, context, num_latents):
        end = start + length
        assert start >= 0 and 1 <= scored <= length
        assert length == min(end, context)
        # What a model with latents on the last N inputs scores, whatever `scored` says.
        latents = range(max(start, end - num_latents), end)
        assert len(latents) == scored
        seen[document].extend(latent + 1 for latent in latents)
    assert seen == [list(range(1, events)) for events in num_events]


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match=r"`num_latents` must lie in 1 … 4 \(context\), got 5"):
        windows.block_windows(9, 4, 5)
    with pytest.raises(ValueError, match="got 0"):
        windows.block_windows(9, 4, 0)
    for unscored in (3, -1):
        with pytest.raises(ValueError, match=f"`unscored` must lie in 0 … 2, got {unscored}"):
            windows.block_windows([9, 4], 4, 2, unscored)
    with pytest.raises(ValueError, match="`num_events` must be at least 2, got 1"):
        windows.block_windows([9, 1], 4, 2)
    with pytest.raises(ValueError, match="`num_events`"):
        windows.crop_range(1, 1)
    with pytest.raises(ValueError, match="`min_inputs` must be at least 1, got 0"):
        windows.crop_range(9, 0)
