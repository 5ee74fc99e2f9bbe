"""Where rows end, by hand and against the original's crops."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.crops import LATENT_POLICIES, LatentCrop, RandomCrop
from pipelines.errors import UserError


def places(crop, num_targets):
    """`(end, scored)` of all choices."""
    targets = tf.constant(num_targets, tf.int64)
    first, number = crop.range(targets)
    return [
        tuple(int(x) for x in crop.place(first + choice, targets)) for choice in range(int(number))
    ]


def test_a_random_crop_ends_behind_the_first_inputs():
    assert places(RandomCrop(2), 4) == [(2, 2), (3, 3), (4, 4)]
    assert places(RandomCrop(9), 4) == [(4, 4)]


@pytest.mark.parametrize(
    ("policy", "prefix", "wanted"),
    [
        ("none", 0, [(5, 3)]),
        ("full_latents", 0, [(3, 3), (4, 3), (5, 3)]),
        ("full_latents", 1, [(4, 3), (5, 3)]),
        ("full_latents_with_prefix", 0, [(3, 3), (4, 3), (5, 3)]),
        # The latents may lie on the prefix, but for one; what lies there is not scored.
        ("full_latents_with_prefix", 2, [(3, 1), (4, 2), (5, 3)]),
        (
            "equal_position_likelihood",
            0,
            [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (5, 2), (5, 1)],
        ),
        ("equal_position_likelihood", 2, [(3, 1), (4, 2), (5, 3), (5, 2), (5, 1)]),
    ],
)
def test_policies_by_hand(policy, prefix, wanted):
    # Five targets, three latents.
    assert places(LatentCrop(3, policy, prefix), 5) == wanted


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 12))
def test_equal_position_likelihood_scores_every_target_as_often(num_targets, latents, prefix):
    counts = np.zeros(num_targets, int)
    for end, scored in places(LatentCrop(latents, LATENT_POLICIES[3], prefix), num_targets):
        assert end - scored >= 0
        counts[end - scored : end] += 1
    prefix = min(prefix, num_targets - 1)
    assert (counts[:prefix] == 0).all()
    assert (counts[prefix:] == latents).all()


@given(st.sampled_from(LATENT_POLICIES), st.integers(1, 30), st.integers(1, 12), st.integers(0, 12))
def test_every_choice_scores_targets_of_the_document(policy, num_targets, latents, prefix):
    for end, scored in places(LatentCrop(latents, policy, prefix), num_targets):
        assert 1 <= end <= num_targets
        assert 1 <= scored <= min(latents, end)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomCrop(0),
        lambda: LatentCrop(0),
        lambda: LatentCrop(4, "full"),
        lambda: LatentCrop(4, prefix=-1),
    ],
)
def test_impossible_crops_are_refused(make):
    with pytest.raises(UserError):
        make()
