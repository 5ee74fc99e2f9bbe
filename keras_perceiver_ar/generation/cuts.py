"""Which tokens may be drawn at all: cuts of a distribution, one after the other.

Pure functions of probabilities float32 (B, V), where 0 is a token that is out already, and of one
number a row. Each returns bool (B, V); none takes out the likeliest token. B batch, V vocabulary.
"""

from keras import ops


def top_k(probabilities, count):
    """The likeliest tokens, and all that are as likely as the last of them.

    Args:
        probabilities: float32 (B, V).
        count: int32 (B,). 0 is all tokens.
    """
    vocab_size = probabilities.shape[-1]
    count = ops.where(count > 0, ops.minimum(count, vocab_size), vocab_size)
    ascending = ops.sort(probabilities, axis=-1)
    least = ops.take_along_axis(ascending, vocab_size - ops.expand_dims(count, -1), axis=-1)
    return probabilities >= least


def top_p(probabilities, mass):
    """The smallest set of likeliest tokens that holds a probability (Holtzman et al., 2020).

    Args:
        probabilities: float32 (B, V).
        mass: float32 (B,).
    """
    return probabilities >= nucleus_threshold(probabilities, mass)


def nucleus_threshold(probabilities, mass):
    """The smallest probability that is still in the nucleus.

    Args:
        probabilities: float32 (B, V).
        mass: float32 (B,).

    Returns:
        float32 (B, 1). Tokens at least as likely as this are drawn from.
    """
    ascending = ops.sort(probabilities, axis=-1)
    # The original's rule: from the bottom, all tokens whose cumulative probability stays below
    # 1 − p are cut. Rounding must not cut everything, hence the largest as a bound.
    kept = ops.cumsum(ascending, axis=-1) >= 1.0 - ops.expand_dims(mass, -1)
    threshold = ops.min(ops.where(kept, ascending, float("inf")), axis=-1, keepdims=True)
    return ops.minimum(threshold, ascending[:, -1:])


def min_p(probabilities, share):
    """Tokens at least this share as likely as the likeliest (Nguyen et al., 2024).

    Args:
        probabilities: float32 (B, V).
        share: float32 (B,). 0 is all tokens.
    """
    most = ops.max(probabilities, axis=-1, keepdims=True)
    return probabilities >= ops.expand_dims(share, -1) * most


def typical_p(probabilities, mass):
    """Tokens whose surprise is nearest to the expected one (Meister et al., 2023).

    Args:
        probabilities: float32 (B, V).
        mass: float32 (B,). The nearest that hold this probability stay; 1 is all tokens.
    """
    there = probabilities > 0
    surprise = -ops.log(ops.where(there, probabilities, 1.0))
    expected = ops.sum(probabilities * surprise, axis=-1, keepdims=True)
    distance = ops.where(there, ops.abs(surprise - expected), float("inf"))
    order = ops.argsort(distance, axis=-1)
    held = ops.cumsum(ops.take_along_axis(probabilities, order, axis=-1), axis=-1)
    short = ops.sum(ops.cast(held < ops.expand_dims(mass, -1), "int32"), axis=-1, keepdims=True)
    # Rounding may leave the sum of all below 1.
    last = ops.minimum(short, probabilities.shape[-1] - 1)
    farthest = ops.take_along_axis(ops.take_along_axis(distance, order, axis=-1), last, axis=-1)
    inside = ops.logical_and(there, distance <= farthest)
    return ops.logical_or(inside, ops.expand_dims(mass, -1) >= 1)


# In the order in which Hugging Face's `transformers` applies them, so that the same settings mean
# the same here.
CUTS = {"top_k": top_k, "top_p": top_p, "min_p": min_p, "typical_p": typical_p}


def inside_all(probabilities, settings):
    """What all cuts leave, each made of what the ones before it left.

    Args:
        probabilities: float32 (B, V).
        settings: dict of names in `CUTS` to numbers (B,). Other names are passed over.

    Returns:
        bool (B, V), or None where there is no cut.
    """
    inside = took = None
    for name, cut in CUTS.items():
        if name not in settings:
            continue
        if inside is not None:
            left = ops.where(inside, probabilities, 0.0)
            left = left / ops.sum(left, axis=-1, keepdims=True)
            # Where nothing was taken the numbers stay, to the last bit: a cut that is off in a row
            # is as none.
            probabilities = ops.where(ops.expand_dims(took, -1), left, probabilities)
        kept = cut(probabilities, settings[name])
        both = kept if inside is None else ops.logical_and(inside, kept)
        before = ops.ones_like(kept) if inside is None else inside
        took = ops.any(ops.not_equal(before, both), axis=-1)
        inside = both
    return inside
