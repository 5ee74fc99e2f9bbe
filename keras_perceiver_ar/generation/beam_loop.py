"""Beam search in one program. B batch, K beams, T room for events, V vocabulary."""

from typing import NamedTuple

import keras
from keras import ops

from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import draw, history
from keras_perceiver_ar.generation.compute_weights import compute_weights
from keras_perceiver_ar.generation.constraints import Constraints
from keras_perceiver_ar.generation.decode_loop import (
    begin_with_sos,
    check_positions,
    make_steps,
)
from keras_perceiver_ar.generation.window import Window


class Beams(NamedTuple):
    """What one step hands to the next: B · K rows, the beams of a row side by side."""

    token_ids: object  # int32 (B · K, T)
    log_probs: object  # float32 (B · K, T)
    lengths: object  # int32 (B · K,)
    done: object  # bool (B · K,)
    scores: object  # float32 (B · K,), sums of log-probabilities
    logits: object  # float32 (B · K, V)
    cache: object
    last_places: object


def search(
    model,
    token_ids,
    lengths,
    max_new_tokens,
    beams,
    *,
    positions=None,
    num_latents=None,
    refill="half",
    prefill="all",
    use_cache=None,
    stop_ids=(1,),
    masks=(),
    on_step=None,
):
    """The best continuation of each row: what `decode_loop.decode` takes, gives and refuses.

    In place of what a token is drawn with there is `beams`, a `BeamSearch`. `on_step` is handed
    all beams of all rows, (B · K,).
    """
    check_positions(positions, model.backbone)
    width, vocab_size = beams.width, model.backbone.vocab_size
    token_ids, lengths = begin_with_sos(ops.cast(token_ids, "int32"), ops.cast(lengths, "int32"))
    room = ops.shape(token_ids)[1]
    window = Window(token_ids, positions, model.backbone.max_context)
    steps = make_steps(model, window.room, num_latents, refill, prefill, use_cache)
    constraints = Constraints(vocab_size, stop_ids, masks)
    limits = ops.minimum(lengths + ops.cast(max_new_tokens, "int32"), room)
    begun, limits = ops.repeat(lengths, width), ops.repeat(limits, width)
    wide = Window(token_ids, _repeated(positions, width), model.backbone.max_context)
    zero = ops.zeros_like(begun)

    def ranked(scores, ends):
        """Sums of log-probabilities over the power of the number of tokens."""
        count = ops.cast(ops.maximum(ends - begun, 1), "float32")
        shape = (-1, *[1] * (len(scores.shape) - 1))
        return scores / ops.reshape(count**beams.length_penalty, shape)

    def append(state):
        """Every beam with every token; the best K of each row stay."""
        logits, stuck = constraints.apply(
            state.logits, state.token_ids, state.lengths, state.last_places
        )
        done = ops.logical_or(state.done, stuck)
        plain = ops.log_softmax(ops.cast(state.logits, "float32"), axis=-1)
        own = ops.where(ops.equal(logits, draw.NEVER), draw.NEVER, plain)
        # One that has ended goes on as it is, in the place of padding.
        is_padding = ops.equal(ops.arange(vocab_size), 0)
        own = ops.where(done[:, None], ops.where(is_padding, 0.0, draw.NEVER), own)
        ends = ops.where(done, state.lengths, state.lengths + 1)
        scores = state.scores[:, None] + own
        candidates = ops.reshape(ranked(scores, ends), (-1, width * vocab_size))
        _, chosen = ops.top_k(candidates, width)
        first = ops.arange(ops.shape(chosen)[0], dtype="int32")[:, None] * width
        chosen = ops.cast(chosen, "int32")
        parent = ops.reshape(first + chosen // vocab_size, (-1,))
        token = ops.reshape(chosen % vocab_size, (-1,))

        def of_parents(structure):
            # A number for all rows, such as `DecodeCache.written`, is no part of any.
            return keras.tree.map_structure(
                lambda x: ops.take(x, parent, axis=0) if len(x.shape) else x, structure
            )

        moved = ops.any(ops.not_equal(parent, ops.arange(ops.shape(parent)[0], dtype="int32")))
        cache = ops.cond(moved, lambda: of_parents(state.cache), lambda: state.cache)
        small = of_parents((state.token_ids, state.log_probs, state.lengths, done, scores, plain))
        token_ids, log_probs, lengths, done, scores, plain = small

        def pick(table):
            return ops.take_along_axis(table, token[:, None], axis=1)[:, 0]

        place = ops.minimum(lengths, room - 1)

        def write(buffer, values):
            return cache_lib.write_rows(buffer, place, values, ops.logical_not(done))

        places = of_parents(state.last_places)
        if constraints.needs_places:
            places = history.add_event(places, token, lengths, ops.logical_not(done))
        ends = ops.where(done, lengths, lengths + 1)
        if on_step is not None:
            ends = on_step(ends, ops.where(done, 0, token))
        stopped = constraints.stops(token)
        return state._replace(
            token_ids=write(token_ids, token),
            log_probs=write(log_probs, pick(plain)),
            lengths=ends,
            done=ops.logical_or(ops.logical_or(done, stopped), ends >= limits),
            scores=pick(scores),
            cache=cache,
            last_places=places,
        )

    def step(*state):
        state = Beams(*state)
        read = wide.read(state.token_ids, zero, state.lengths)
        logits, cache = steps.advance(state.cache, state.done, *read)
        return tuple(append(state._replace(logits=logits, cache=cache)))

    with compute_weights(model):
        read = window.read(token_ids, ops.zeros_like(lengths), lengths)
        logits, cache = steps.prefill(*read)
        first = ops.equal(ops.arange(ops.shape(begun)[0], dtype="int32") % width, 0)
        rows = ops.repeat(token_ids, width, axis=0)
        state = Beams(
            token_ids=rows,
            log_probs=ops.full(ops.shape(rows), float("nan"), dtype="float32"),
            lengths=begun,
            done=begun >= limits,
            # All beams of a row begin alike: one of them is enough.
            scores=ops.where(first, 0.0, draw.NEVER),
            logits=ops.repeat(logits, width, axis=0),
            cache=_repeated(cache, width),
            last_places=constraints.places(rows, begun),
        )
        state = ops.while_loop(
            lambda *state: ops.logical_not(ops.all(Beams(*state).done)), step, tuple(append(state))
        )
    state = Beams(*state)
    best = ops.argmax(ops.reshape(ranked(state.scores, state.lengths), (-1, width)), axis=-1)
    best = ops.cast(best, "int32") + ops.arange(ops.shape(best)[0], dtype="int32") * width
    return {
        name: ops.take(getattr(state, name), best, axis=0)
        for name in ("token_ids", "lengths", "log_probs")
    }


def _repeated(structure, width):
    return keras.tree.map_structure(
        lambda x: ops.repeat(x, width, axis=0) if x is not None and len(x.shape) else x, structure
    )
