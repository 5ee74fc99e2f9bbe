"""One token a row from its logits. B batch, V vocabulary."""

import math

from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.generation import cuts

NEVER = -math.inf
# Colder than this is greedy in float32, and a division by a subnormal number is not a number.
_COLDEST = 1e-20


def forbid(logits, token_ids):
    """Makes tokens impossible: logits (B, V), token_ids a sequence of int."""
    vocab = ops.arange(logits.shape[-1])
    for token_id in token_ids:
        logits = ops.where(ops.equal(vocab, token_id), NEVER, logits)
    return logits


def penalize(logits, seen, penalty):
    """Makes tokens that a row holds less likely, or likelier with a penalty below 1.

    Args:
        logits: float32 (B, V).
        seen: bool (B, V).
        penalty: float32 (B,). Divides positive logits and multiplies negative ones; 1 is none.

    Returns:
        float32 (B, V).

    Reference:
        Keskar et al., "CTRL", 2019, section 4.1; for negative logits as Hugging Face does.
    """
    penalty = ops.expand_dims(penalty, -1)
    return ops.where(seen, ops.where(logits > 0, logits / penalty, logits * penalty), logits)


def sample(logits, settings, seeds, counters, cut_before_temperature=False):
    """Draws one token a row.

    Args:
        logits: float32 (B, V).
        settings: dict of `temperature` float32 (B,), 0 being greedy, and of cuts, see
            `cuts.CUTS`. 0 as `top_p` or `typical_p` is greedy too.
        seeds: int32 (B,).
        counters: int32 (B,). The place of the token in its row; a row's draw is a pure function of
            its logits, seed and counter.
        cut_before_temperature: bool.

    Returns:
        int32 (B,).
    """
    temperature = settings["temperature"]
    warm = ops.maximum(ops.where(temperature > 0, temperature, 1.0), _COLDEST)
    # Less the maximum first: the quotient may overflow below, but not to NaN.
    shifted = logits - ops.max(logits, axis=-1, keepdims=True)
    probabilities = ops.softmax(shifted / ops.expand_dims(warm, -1), axis=-1)
    measured = ops.softmax(logits, axis=-1) if cut_before_temperature else probabilities
    inside = cuts.inside_all(measured, settings)
    if inside is not None:
        probabilities = ops.where(inside, probabilities, 0.0)
    cumulative = ops.cumsum(probabilities, axis=-1)
    zeros = ops.zeros_like(seeds)
    draw = randomness.uniform((seeds, zeros), (counters, zeros)) * cumulative[:, -1]
    # The first token whose cumulative probability exceeds the draw: never one of probability 0.
    drawn = ops.argmax(ops.cast(cumulative > ops.expand_dims(draw, -1), "int32"), axis=-1)
    is_greedy = ops.equal(temperature, 0)
    for name in ("top_p", "typical_p"):
        if name in settings:
            is_greedy = ops.logical_or(is_greedy, ops.equal(settings[name], 0))
    return ops.cast(ops.where(is_greedy, ops.argmax(logits, axis=-1), drawn), "int32")
