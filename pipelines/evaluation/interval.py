"""How far a figure of a split is known, by how much its documents differ."""

import numpy as np

_LEVEL = 0.95


def ratio_interval(numerators, denominators):
    """95 % interval of a ratio of sums over documents, Σ n / Σ d.

    The documents are taken as drawn independently, whole: what is near within one is alike. Of the
    estimator for ratios the variance is that of its linearisation, D / (D − 1) · Σ (n − R d)² /
    (Σ d)² with R = Σ n / Σ d, and its quantile that of Student's t with D − 1 degrees of freedom.

    Args:
        numerators: float (D,).
        denominators: float (D,). Documents of which nothing was counted do not take part.

    Returns:
        pair of float, low and high; or None where fewer than two documents take part.

    Reference:
        Cochran, Sampling Techniques, 3rd edition, 1977, section 6.4.
    """
    numerators, denominators = (np.asarray(x, np.float64) for x in (numerators, denominators))
    there = denominators > 0
    numerators, denominators = numerators[there], denominators[there]
    count = denominators.size
    if count < 2:
        return None
    ratio = numerators.sum() / denominators.sum()
    deviation = np.square(numerators - ratio * denominators).sum()
    error = np.sqrt(count / (count - 1) * deviation) / denominators.sum()
    from scipy import special  # which a training does not need

    half = special.stdtrit(count - 1, (1 + _LEVEL) / 2) * error
    return float(ratio - half), float(ratio + half)
