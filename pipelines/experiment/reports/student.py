"""Means of a few numbers, and how far they are known."""

import numpy as np
from scipy import special

_LEVEL = 0.95


def mean_interval(values):
    """Mean, and its 95 % interval by Student's t.

    Args:
        values: float (K,), K ≥ 1, taken as drawn independently.

    Returns:
        tuple of float: mean, low, high; low and high are None where K is 1.
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if values.size < 2:
        return mean, None, None
    half = special.stdtrit(values.size - 1, (1 + _LEVEL) / 2) * values.std(ddof=1)
    half /= np.sqrt(values.size)
    return mean, float(mean - half), float(mean + half)


def mean_and_half(values):
    """Mean, and half of its 95 % interval.

    Args:
        values: as for `mean_interval`.

    Returns:
        float, and float or None.
    """
    mean, _, high = mean_interval(values)
    return mean, None if high is None else high - mean


def difference_interval(one, other):
    """95 % interval of the difference of two means, one − other, by Welch's test.

    Args:
        one, other: float (K,), K ≥ 2 each, taken as drawn independently.

    Returns:
        tuple of float: low, high.
    """
    from scipy import stats

    interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(_LEVEL)
    return float(interval.low), float(interval.high)


def verdict(gain, half):
    """What a gain, and half of its 95 % interval or None, says of the claim that there is one."""
    if half is None:
        return "one seed alone, so nothing is known of its error"
    if gain > half:
        return "the claim holds here"
    if gain < -half:
        return "**the claim does not hold at this size: it is worse**"
    return "**the claim cannot be seen at this size**"


def text(mean, low, high, digits=3):
    """Such as "1.234 (1.200 … 1.268)"; without an interval the mean alone."""
    told = f"{mean:.{digits}f}"
    return told if low is None else f"{told} ({low:.{digits}f} … {high:.{digits}f})"
