"""How the next token is drawn from the logits."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_perceiver_ar import randomness

NEVER = -math.inf
# Colder than this is greedy in float32, and a division by a subnormal number is not a number.
_COLDEST = 1e-20


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Temperature and nucleus sampling; the other samplers are its corners.

    Args:
        temperature: float ≥ 0, or one for each row. Divides the logits; 0 is greedy.
        top_p: float in (0, 1], or one for each row. The smallest set of likeliest tokens that holds
            this probability is drawn from; 1 is all tokens. 0 is greedy too.
        cut_before_temperature: bool. Measures that probability before the temperature acts, as the
            original does; most libraries measure it after.

    Raises:
        ValueError: a number out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    cut_before_temperature: bool = False

    def __post_init__(self):
        for name, values, highest in (
            ("temperature", self.temperature, np.finfo("float32").max),
            ("top_p", self.top_p, 1.0),
        ):
            array = np.asarray(values)
            is_real = np.issubdtype(array.dtype, np.floating)
            is_real = is_real or np.issubdtype(array.dtype, np.integer)
            wrong = [values]
            if is_real and array.ndim < 2:
                wrong = array[~((array >= 0) & (array <= highest))].tolist()
            if wrong:
                raise ValueError(
                    f"`{name}` must lie in [0, {highest:g}], one for all rows or one for each. "
                    f"Received: {name}={wrong[0]}"
                )

    @classmethod
    def get(cls, sampler):
        """A sampler by name ("greedy", "temperature", "top_p"), or the sampler itself."""
        named = {
            "greedy": cls(temperature=0.0),
            "temperature": cls(),
            "top_p": cls(top_p=0.95),
        }
        if isinstance(sampler, cls):
            return sampler
        if not isinstance(sampler, str) or sampler not in named:
            raise ValueError(
                f"`sampler` must be one of {sorted(named)} or a Sampler. Received: {sampler!r}"
            )
        return named[sampler]


def forbid(logits, token_ids):
    """Makes tokens impossible: logits (B, V), token_ids a sequence of int."""
    vocab = ops.arange(logits.shape[-1])
    for token_id in token_ids:
        logits = ops.where(ops.equal(vocab, token_id), NEVER, logits)
    return logits


def nucleus_threshold(probabilities, top_p):
    """The smallest probability that is still in the nucleus.

    Args:
        probabilities: float32 (B, V).
        top_p: float32 (B,).

    Returns:
        float32 (B, 1). Tokens at least as likely as this are drawn from.
    """
    ascending = ops.sort(probabilities, axis=-1)
    # The original's rule: from the bottom, all tokens whose cumulative probability stays below
    # 1 − p are cut. Rounding must not cut everything, hence the largest as a bound.
    kept = ops.cumsum(ascending, axis=-1) >= 1.0 - ops.expand_dims(top_p, -1)
    threshold = ops.min(ops.where(kept, ascending, float("inf")), axis=-1, keepdims=True)
    return ops.minimum(threshold, ascending[:, -1:])


def sample(logits, temperature, top_p, seeds, counters, cut_before_temperature=False):
    """Draws one token a row.

    Args:
        logits: float32 (B, V).
        temperature: float32 (B,). 0 is greedy.
        top_p: float32 (B,). 0 is greedy.
        seeds: int32 (B,).
        counters: int32 (B,). The place of the token in its row; a row's draw is a pure function of
            its logits, seed and counter.
        cut_before_temperature: bool.

    Returns:
        int32 (B,).
    """
    greedy = ops.argmax(logits, axis=-1)
    plain = ops.softmax(logits, axis=-1)
    warm = ops.maximum(ops.where(temperature > 0, temperature, 1.0), _COLDEST)
    # Less the maximum first: the quotient may overflow below, but not to NaN.
    shifted = logits - ops.max(logits, axis=-1, keepdims=True)
    probabilities = ops.softmax(shifted / ops.expand_dims(warm, -1), axis=-1)
    measured = plain if cut_before_temperature else probabilities
    inside = measured >= nucleus_threshold(measured, top_p)
    cumulative = ops.cumsum(ops.where(inside, probabilities, 0.0), axis=-1)
    zeros = ops.zeros_like(seeds)
    draw = randomness.uniform((seeds, zeros), (counters, zeros)) * cumulative[:, -1]
    # The first token whose cumulative probability exceeds the draw: never one of probability 0.
    drawn = ops.argmax(ops.cast(cumulative > ops.expand_dims(draw, -1), "int32"), axis=-1)
    is_greedy = ops.logical_or(ops.equal(temperature, 0), ops.equal(top_p, 0))
    return ops.cast(ops.where(is_greedy, greedy, drawn), "int32")
