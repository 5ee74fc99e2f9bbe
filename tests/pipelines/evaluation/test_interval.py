"""The interval of a ratio over documents, against numbers worked out by hand and by drawing."""

import math

import numpy as np
import pytest

from pipelines.evaluation.interval import ratio_interval


def test_by_hand():
    # R = 12 / 6, residuals 0, −1 and 1. For two degrees of freedom the quantile has a formula.
    half = 0.95 / math.sqrt(2 * 0.975 * 0.025) * math.sqrt(3 / 2 * 2 / 36)
    assert ratio_interval([2, 3, 7], [1, 2, 3]) == pytest.approx((2 - half, 2 + half), rel=1e-9)


def test_documents_of_nothing_take_no_part():
    assert ratio_interval([2, 0, 3, 7], [1, 0, 2, 3]) == ratio_interval([2, 3, 7], [1, 2, 3])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_documents_have_none(count):
    assert ratio_interval([5.0] * count + [0.0], [2.0] * count + [0.0]) is None


def test_documents_that_agree_leave_no_doubt():
    assert ratio_interval([2, 4, 6], [1, 2, 3]) == (2.0, 2.0)


def test_it_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        sizes = generator.integers(200, 1000, 20)
        of_document = generator.normal(2.0, 0.3, 20)  # nats of a target, each its own
        low, high = ratio_interval(sizes * of_document, sizes)
        held += low <= 2.0 <= high
    # Three standard deviations of such a count are 29 of the 1900 that are meant.
    assert abs(held - 1900) < 30
