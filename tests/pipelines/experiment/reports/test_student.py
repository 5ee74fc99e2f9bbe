import numpy as np
import pytest

from pipelines.experiment.reports import student


def test_intervals_are_those_of_the_tables():
    """Student's t of 95 %, two-sided, with 3 degrees of freedom: 3.182."""
    mean, low, high = student.mean_interval([1.0, 2.0, 3.0, 6.0])
    deviation = np.sqrt((4 + 1 + 0 + 9) / 3)
    assert mean == 3
    assert high - mean == pytest.approx(3.182 * deviation / 2, rel=1e-3)
    assert mean - low == pytest.approx(high - mean)


def test_of_one_number_nothing_is_known_but_itself():
    assert student.mean_interval([2.5]) == (2.5, None, None)


def test_intervals_hold_the_mean_as_often_as_they_say():
    draw = np.random.default_rng(0)
    samples = draw.normal(1.0, 2.0, (4000, 4))
    held = [low < 1 < high for _, low, high in map(student.mean_interval, samples)]
    # Of 4000 with probability 0.95 each: 3,800 expected, and four deviations of 13.8.
    assert abs(sum(held) - 3800) < 56


def test_differences_have_welchs_interval():
    """By hand: means 2 and 7, variances of the means 1/3 and 4/3, 2.94 degrees of freedom."""
    low, high = student.difference_interval([1.0, 2.0, 3.0], [5.0, 7.0, 9.0])
    assert (low + high) / 2 == pytest.approx(-5)
    assert high - low == pytest.approx(2 * 3.21 * np.sqrt(5 / 3), rel=0.01)


def test_numbers_as_they_are_told():
    assert student.text(1.23456, None, None) == "1.235"
    assert student.text(1.2, 1.0, 1.4, digits=1) == "1.2 (1.0 … 1.4)"
