"""Attention that holds the scores of one block of keys at a time, forwards and backwards.

Milakov & Gimelshein, arXiv 1805.02867 (the softmax of a stream); Rabe & Staats, arXiv 2112.05682,
and Dao et al., arXiv 2205.14135 (a backward pass that computes the scores again).
"""

import keras
from keras import ops

from keras_perceiver_ar import randomness
from keras_perceiver_ar.attention.dense import MASKED_SCORE, dense_attention, masked_scores
from keras_perceiver_ar.fused import in_place
from keras_perceiver_ar.masks import StepMask

BLOCK = 512
# Below every score that is a number, MASKED_SCORE too.
LEAST = -3e38


def blockwise_attention(query, key, value, mask, block=None, dropout=0.0, seed=None):
    """What `dense_attention` gives, in memory that does not grow with N · M.

    Args:
        query: (B, N, H, D), scaled.
        key: (B, M, H, D). M ≥ 1, which TensorFlow may know at run time alone.
        value: (B, M, H, Dv).
        mask: `StepMask`, bool (B, N, M), or None.
        block: int or None. Keys in a block; the last one may hold fewer.
        dropout: float in [0, 1). On the probabilities.
        seed: uint32 (2,), or None without dropout.

    Returns:
        (B, N, H, Dv), dtype of `value`.
    """
    num_keys, block = ops.shape(key)[1], block or BLOCK
    is_known = key.shape[1] is not None
    block = min(block, num_keys) if is_known else ops.minimum(block, num_keys)
    if is_known and block == num_keys and not dropout:
        return dense_attention(query, key, value, mask, dropout, seed)
    # Everything is an argument: JAX cannot rematerialise what closes over arrays made within.
    is_steps = isinstance(mask, StepMask)
    parts = [mask.query_steps, mask.key_steps] if is_steps else [] if mask is None else [mask]
    seeds = [seed] if dropout else []

    def attend(query, key, value, *others):
        inner, inner_seed = mask, others[-1] if seeds else None
        if is_steps:
            inner = mask.with_steps(*others[:2])
        elif mask is not None:
            inner = others[0]
        blocks = _Blocks(num_keys, block, inner, dropout, inner_seed)
        output, top, denominator = blocks.forward(query, key, value)

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            gradients = blocks.backward(query, key, value, output, top, denominator, upstream)
            return *gradients, *(None for _ in others)

        return ops.cast(output, value.dtype), gradient

    return ops.custom_gradient(attend)(query, key, value, *parts, *seeds)


class _Blocks:
    """The keys of a row in blocks of one size.

    Where they do not divide, the last block begins earlier and the keys that it shares with the one
    before it are hidden from it: nothing is padded, and so nothing is copied.
    """

    def __init__(self, num_keys, size, mask, dropout, seed):
        self.num_keys, self.size = num_keys, size
        self.count = -(-num_keys // size)
        # Of an unknown number there may be.
        self.some_are_shared = not isinstance(num_keys, int) or num_keys % size != 0
        self.mask, self.dropout, self.seed = mask, dropout, seed

    def _start(self, index):
        return ops.minimum(index * self.size, self.num_keys - self.size)

    def _take(self, x, index):
        start = self._start(index)
        return ops.slice(
            x, (0, start, *[0] * (len(x.shape) - 2)), (ops.shape(x)[0], self.size, *x.shape[2:])
        )

    def _own(self, index):
        """Bool (size,), whether a key is none of the block before."""
        return self._start(index) + ops.arange(self.size, dtype="int32") >= index * self.size

    def _scores(self, query, key, index):
        """Scores of a block, and where they are those of keys that may be read."""
        mask = self.mask
        if isinstance(mask, StepMask):
            mask = mask.keys_from(self._start(index), self.size)
        elif mask is not None:
            shape = (ops.shape(mask)[0], ops.shape(mask)[1], self.size)
            mask = ops.slice(mask, (0, 0, self._start(index)), shape)
        scores = masked_scores(query, self._take(key, index), mask)
        if self.some_are_shared:
            scores = ops.where(self._own(index), scores, -float("inf"))
        return scores

    def _drop(self, weights, index):
        if not self.dropout:
            return weights
        return randomness.dropout(weights, self.dropout, randomness.fold_in(self.seed, index))

    def forward(self, query, key, value):
        """The output, and of each query its highest score and Σ exp(score − highest): float32."""
        batch, num_queries = ops.shape(query)[0], ops.shape(query)[1]
        num_heads, width = query.shape[2], value.shape[-1]
        shape = (batch, num_heads, num_queries)

        def add(index, state):
            top, denominator, numerator = state
            index = _after(index, denominator)
            scores = self._scores(query, key, index)
            highest = ops.maximum(top, ops.max(scores, axis=-1))
            weights = ops.exp(scores - highest[..., None])
            correction = ops.exp(top - highest)
            denominator = denominator * correction + ops.sum(weights, axis=-1)
            weights = ops.cast(self._drop(weights, index), value.dtype)
            added = ops.einsum("bhnm,bmhd->bhnd", weights, self._take(value, index))
            numerator = numerator * correction[..., None] + ops.cast(added, "float32")
            return highest, denominator, numerator

        state = (
            # Not −∞: a block of nothing but −∞ must leave a number behind.
            ops.full(shape, LEAST, "float32"),
            ops.zeros(shape, "float32"),
            ops.zeros((*shape, width), "float32"),
        )
        top, denominator, numerator = ops.fori_loop(0, self.count, add, state)
        output = ops.transpose(numerator / denominator[..., None], (0, 2, 1, 3))
        return output, top, denominator

    def backward(self, query, key, value, output, top, denominator, upstream):
        """Gradients of query, key and value."""
        upstream = ops.cast(upstream, value.dtype)
        # What the softmax subtracts: Σ P · dP over the keys is upstream · output.
        product = ops.cast(upstream, "float32") * output
        subtracted = ops.transpose(ops.sum(product, axis=-1), (0, 2, 1))[..., None]

        def write(buffer, index, part):
            if self.some_are_shared:  # with the block before, which has written them
                own = self._own(index)[:, None, None]
                part = ops.where(own, part, self._take(buffer, index))
            return in_place.write(buffer, self._start(index), part)

        # In 16 bits dP is rounded, and Σ P · dP is not quite what is subtracted: the rest, times
        # the mean of the keys, can be the larger part of a query's gradient.
        narrow = keras.backend.standardize_dtype(query.dtype) != "float32"

        def add(block, state):
            query_gradient, key_gradient, value_gradient, *correction = state
            block = _after(block, query_gradient)
            key_block = self._take(key, block)
            scores = self._scores(query, key, block)
            weights = ops.exp(scores - top[..., None]) / denominator[..., None]
            dropped = ops.cast(self._drop(weights, block), value.dtype)
            of_values = ops.einsum("bhnm,bnhd->bmhd", dropped, upstream)
            change = ops.einsum("bnhd,bmhd->bhnm", upstream, self._take(value, block))
            change = self._drop(ops.cast(change, "float32"), block)
            change = weights * (change - subtracted)
            # Scores that were set have no gradient; it is not 0 where nothing else was there.
            change = ops.where(scores > 0.5 * MASKED_SCORE, change, ops.zeros_like(change))
            if narrow:
                left, mean_key = correction
                weights = ops.cast(weights, key.dtype)
                mean = ops.einsum("bhnm,bmhd->bnhd", weights, key_block)
                correction = left + ops.sum(change, axis=-1), mean_key + ops.cast(mean, "float32")
            change = ops.cast(change, query.dtype)
            of_keys = ops.einsum("bhnm,bnhd->bmhd", change, query)
            of_query = ops.einsum("bhnm,bmhd->bnhd", change, key_block)
            return (
                query_gradient + ops.cast(of_query, "float32"),
                write(key_gradient, block, of_keys),
                write(value_gradient, block, of_values),
                *correction,
            )

        state = tuple(
            ops.zeros(ops.shape(x), dtype)
            for x, dtype in ((query, "float32"), (key, key.dtype), (value, value.dtype))
        )
        if narrow:
            state = (*state, ops.zeros_like(top), ops.zeros(ops.shape(query), "float32"))
        query_gradient, key_gradient, value_gradient, *correction = ops.fori_loop(
            0, self.count, add, state
        )
        if narrow:
            left, mean_key = correction
            query_gradient = query_gradient - ops.swapaxes(left, 1, 2)[..., None] * mean_key
        return ops.cast(query_gradient, query.dtype), key_gradient, value_gradient


def _after(index, x):
    """The index, once there is x, (…) float: TensorFlow would begin ten blocks at once."""
    if keras.backend.backend() != "tensorflow" or in_place.is_for_xla():
        return index
    some = x[(slice(1),) * len(x.shape)]
    return index + ops.sum(ops.cast(some * some < 0, "int32"))
