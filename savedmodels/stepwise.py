"""Decoding a token at a time, for clients that choose each token themselves.

TF Serving keeps nothing between two requests, so what a decode loop keeps travels: `prefill` gives
it to the client, and each `decode` takes it and gives it back, longer by a token. B batch, T room
for events, N latents, H heads, D head width, V vocabulary.
"""

import math

import tensorflow as tf

from keras_perceiver_ar.generation.cache import DecodeCache, write_rows
from keras_perceiver_ar.generation.compute_weights import compute_weights
from keras_perceiver_ar.generation.decode_loop import make_steps
from keras_perceiver_ar.generation.draw import forbid
from pipelines.errors import UserError
from savedmodels.input_checks import (
    check,
    check_rows,
    check_tokens,
    check_width,
    place_from_start,
)

_RESULTS = ("log_probs", "logits")
_NEVER_DRAWN = (0, 2)  # padding and SOS, as in `generate`


def make_prefill(model, positions=None):
    """Function of `signatures.SCORE_INPUTS`: reads prompts.

    The width of `token_ids` is the room T that the rows will have, M at most.

    Args:
        model: `PerceiverARCausalLM`.
        positions: int32 (E, P), those of the events of every document, or None, which is 1, 2, …

    Returns:
        function → dict: `log_probs` float32 (B, V), of each token to come next; `logits` float32
        (B, V), −∞ for what `generate` never draws, so that their largest is its greedy choice; and
        the state, for `decode`: `history` int32 (B, T), the events; `lengths` int32 (B,), how many;
        where the model keeps keys and values also `filled` int32 (B,), `cross_key_0`,
        `cross_value_0`, … (B, T, H, D), event e at place e, and `latent_key_0`, `latent_value_0`, …
        (B, N, H, D), the oldest first. What lies behind them is of no meaning, so that a batching
        server may pad it.
    """
    steps = make_steps(model, None, None)

    def prefill(token_ids, lengths):
        with tf.control_dependencies(check_rows(token_ids=token_ids, lengths=lengths)):
            checks = check_tokens(model, token_ids, lengths)
        with tf.control_dependencies([*checks, check_width(token_ids, model.backbone.max_context)]):
            token_ids, lengths = tf.identity(token_ids), tf.identity(lengths)
        history = tf.where(tf.range(tf.shape(token_ids)[1]) < lengths[:, None], token_ids, 0)
        with compute_weights(model):
            logits, cache = steps.prefill(history, _places(positions, history), lengths)
        return _outputs(logits, _from_left(steps, cache, lengths, 0), history, lengths)

    return prefill


def decode_inputs(outputs):
    """Inputs of `decode`: the next token of each row, and the state.

    Args:
        outputs: dict of `tf.TensorSpec`, or tensors, of `prefill`.

    Returns:
        tuple of `tf.TensorSpec`.
    """
    state = (
        tf.TensorSpec([None, *value.shape[1:]], value.dtype, name=name)
        for name, value in outputs.items()
        if name not in _RESULTS
    )
    return (tf.TensorSpec((None,), tf.int32, name="token_ids"), *state)


def make_decode(model, inputs, positions=None):
    """Function of `decode_inputs`: puts one more token to each row.

    Args:
        model, positions: as for `make_prefill`.
        inputs: of `decode_inputs`.

    Returns:
        function → the dict of `prefill`, its `lengths` greater by one.
    """
    steps = make_steps(model, None, None)
    names = [spec.name for spec in inputs]

    def decode(*tensors):
        given = dict(zip(names, tensors, strict=True))
        with tf.control_dependencies(check_rows(**given)):
            checks = _check_state(model, steps, given)
        with tf.control_dependencies(checks):
            given = {name: tf.identity(value) for name, value in given.items()}
        newest, lengths = given["token_ids"], given["lengths"]
        history = write_rows(given["history"], lengths, newest)
        cache = _to_right(steps, _unpack(given), lengths)
        lengths += 1
        none_is_done = tf.zeros_like(lengths, tf.bool)
        read = (history, _places(positions, history), lengths)
        with compute_weights(model):
            logits, cache = steps.advance(cache, none_is_done, *read)
        return _outputs(logits, _from_left(steps, cache, lengths, 1), history, lengths)

    return decode


def row_bytes(inputs, outputs, max_context):
    """What one row at the full context sends and is sent: bytes of its state, and of a message.

    Args:
        inputs: of `decode_inputs`.
        outputs: dict of tensors, of `prefill`.
        max_context: int.
    """

    def num_bytes(spec):
        sizes = [max_context if size is None else size for size in spec.shape[1:]]
        return math.prod(sizes) * spec.dtype.size

    state = sum(num_bytes(spec) for spec in inputs[1:])
    return state, state + sum(num_bytes(outputs[name]) for name in _RESULTS)


def check_message(num_bytes, max_context, limit):
    """Refuses states that no client would get.

    Args:
        num_bytes: int. Of a message for one row.
        max_context: int.
        limit: float. MiB.

    Raises:
        UserError: says what to do instead.
    """
    if num_bytes > limit * 2**20:
        raise UserError(
            f"--stepwise: one row at the full context of {max_context:,} travels in a message of "
            f"{num_bytes / 2**20:,.3g} MiB, more than --message_limit={limit:g} (gRPC's own limit "
            "is 4): leave --stepwise out and ask `generate` for k tokens at a time "
            "(max_new_tokens=k, then again with what came back), or raise --message_limit if all "
            "clients raise theirs"
        )


def _places(positions, history):
    if positions is not None:
        return place_from_start(positions, history)
    return tf.broadcast_to(tf.range(tf.shape(history)[1]) + 1, tf.shape(history))


def _turned(pairs, shift):
    """Buffers (B, S, …) turned row by row: place s gets what was at s + shift, modulo S."""

    def turn(buffer):
        size = tf.shape(buffer)[1]
        index = tf.math.floormod(tf.range(size) + shift[:, None], size)
        turned = tf.gather(buffer, index, batch_dims=1)
        return tf.ensure_shape(turned, buffer.shape)

    return tuple(tuple(map(turn, pair)) for pair in pairs)


def _to_right(steps, cache, lengths):
    """A cache as it travels, as the rings of `CachedSteps`: the newest of each row at the end."""
    if not cache:
        return cache
    return DecodeCache(
        _turned(cache.cross, lengths),
        _turned(cache.latents, cache.filled * steps.per_position),
        cache.filled,
        tf.constant(0),
    )


def _from_left(steps, cache, lengths, written):
    """Rings as they travel: requests of different ages, which a server may batch, look alike.

    Args:
        steps: `CachedSteps` or `RecomputedSteps`.
        cache: of these.
        lengths: int32 (B,). Events in each row, the newest included.
        written: int. 0 after a prefill, which leaves the newest at the last place; 1 after a step
            more, which puts it at the first.
    """
    if not cache:
        return cache
    number = steps.per_position
    return cache._replace(
        cross=_turned(cache.cross, written - lengths),
        latents=_turned(cache.latents, (written - cache.filled) * number),
    )


def _outputs(logits, cache, history, lengths):
    logits = tf.cast(logits, tf.float32)
    results = {
        "log_probs": tf.nn.log_softmax(logits),
        "logits": tf.ensure_shape(forbid(logits, _NEVER_DRAWN), logits.shape),
    }
    return {**results, "history": history, "lengths": lengths, **_pack(cache)}


def _pack(cache):
    """A cache as named tensors; none of steps that keep nothing."""
    if not cache:
        return {}
    packed = {"filled": cache.filled}
    for kind, pairs in (("cross", cache.cross), ("latent", cache.latents)):
        for number, (key, value) in enumerate(pairs):
            packed |= {f"{kind}_key_{number}": key, f"{kind}_value_{number}": value}
    return packed


def _unpack(tensors):
    if "filled" not in tensors:
        return ()

    def pairs(kind):
        count = sum(name.startswith(f"{kind}_key_") for name in tensors)
        return tuple(
            (tensors[f"{kind}_key_{number}"], tensors[f"{kind}_value_{number}"])
            for number in range(count)
        )

    return DecodeCache(pairs("cross"), pairs("latent"), tensors["filled"], None)


def _check_state(model, steps, given):
    vocab_size = model.backbone.vocab_size
    width = tf.shape(given["history"])[1]
    checks = [check_width(given["history"], model.backbone.max_context)]
    for name in ("token_ids", "history"):
        inside = (given[name] >= 0) & (given[name] < vocab_size)
        checks.append(check(inside, f"{name} must lie in 0 … {vocab_size - 1}", given[name]))
    checks.append(
        check(
            (given["lengths"] >= 1) & (given["lengths"] < width),
            "lengths must lie between 1 and the width of history, less one: the room that prefill "
            "was given, by the width of its token_ids, is used up",
            given["lengths"],
        )
    )
    if "filled" in given:
        filled = given["filled"]
        message = f"filled must lie in 1 … {steps.slots}"
        checks.append(check((filled >= 1) & (filled <= steps.slots), message, filled))
    for name, value in given.items():
        if name.startswith("cross_"):
            same = tf.equal(tf.shape(value)[1], width)
            checks.append(check(same, f"{name} must be as wide as history", tf.shape(value)))
    return checks
