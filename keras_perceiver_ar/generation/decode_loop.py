"""The decode loop: prefill, then one event a step, in one program.

`keras.ops` only, so that it runs inside `tf.function`, `jax.jit` and a SavedModel. B batch, T room
for events (prompt and continuation), M context, N latents on U positions, V vocabulary.
"""

from typing import NamedTuple

from keras import ops

from keras_perceiver_ar.codecs.event_ids import SOS
from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import draw, history
from keras_perceiver_ar.generation.cached_steps import CachedSteps, refill_size
from keras_perceiver_ar.generation.compute_weights import compute_weights
from keras_perceiver_ar.generation.constraints import Constraints
from keras_perceiver_ar.generation.recomputed_steps import RecomputedSteps
from keras_perceiver_ar.generation.window import Window, slide_size
from keras_perceiver_ar.models.scoring import token_log_probs


class State(NamedTuple):
    """What one step hands to the next."""

    token_ids: object  # int32 (B, T)
    log_probs: object  # float32 (B, T), of the events that were generated
    lengths: object  # int32 (B,)
    done: object  # bool (B,)
    logits: object  # float32 (B, V), of the next event
    cache: object  # of the steps, whatever they keep
    start: object  # int32 (B,), the first event that is read
    last_places: object  # of `History`; () where nothing asks for them


def decode(
    model,
    token_ids,
    lengths,
    max_new_tokens,
    sampling,
    seeds,
    *,
    positions=None,
    forced=None,
    num_latents=None,
    refill="half",
    prefill="all",
    slide=None,
    use_cache=None,
    stop_ids=(1,),
    masks=(),
    cut_before_temperature=False,
    on_step=None,
):
    """Continues rows of events, each until its own limit or a stop id.

    Args:
        model: `PerceiverARCausalLM`.
        token_ids: int32 (B, T), T ≥ 1. Prompts, with room for what is generated. Without `slide`
            T is M + 1 at most: the last event is read by nobody, so caches and steps have M places.
        lengths: int32 (B,). Events in each prompt, without `slide` M at most. A row of none begins
            with SOS (id 2), which takes a place of the row and counts in its length.
        max_new_tokens: int32 (B,). A row also ends when its T places are full.
        sampling: dict of the names of `Sampler` to numbers (B,): `temperature`, and what else acts.
        seeds: int32 (B,).
        positions: int32 (B, T) or (B, T, P), or None, which is 1, 2, 3, …
        forced: int32 (B, T) or None. Ids that stand where they do whatever is drawn, 0 where the
            model draws; those within a prompt say nothing. One that is a stop id ends its row; no
            mask forbids them.
        num_latents: int or None. N.
        refill: "half" or int. Positions held after a refill.
        prefill: "all" or int. Positions of a prompt that latents are put on.
        slide: None, "half" or int. Oldest events that leave a row of M + 1 that is to go on.
        use_cache: bool or None. None keeps keys and values where that can be done.
        stop_ids: tuple of int.
        masks: tuple of `LogitMask`. A row for which nothing is allowed ends.
        cut_before_temperature: bool.
        on_step: function of the lengths so far and the tokens drawn, int32 (B,) each, 0 in rows
            that are done; it returns the lengths. Or None. Called whenever each row that is not
            done has got an event.

    Returns:
        dict: `token_ids` int32 (B, T), `lengths` int32 (B,), `log_probs` float32 (B, T), NaN where
        nothing was generated; of a forced id that of the model, as of any other.

    Raises:
        ValueError: a cache is asked for where there can be none, a refill, prefill or slide that
            does not fit, a mask of another vocabulary, or no positions where the model needs
            several index dimensions.
    """
    backbone = model.backbone
    check_positions(positions, backbone)
    token_ids, lengths = begin_with_sos(ops.cast(token_ids, "int32"), ops.cast(lengths, "int32"))
    room = ops.shape(token_ids)[1]  # a tensor, where a served model takes any width
    kept = refill_size(refill, backbone.num_positions(num_latents))
    slide = slide_size(slide, backbone.max_context, kept)
    window = Window(token_ids, positions, backbone.max_context, slide)
    steps = make_steps(model, window.room, num_latents, refill, prefill, use_cache)
    limits = ops.minimum(lengths + ops.cast(max_new_tokens, "int32"), room)
    constraints = Constraints(
        backbone.vocab_size, stop_ids, masks, sampling.get("repetition_penalty")
    )

    def append(state):
        """Draws the next event of each row that is not done."""
        logits, stuck = constraints.apply(
            state.logits, state.token_ids, state.lengths, state.last_places
        )
        drawn = draw.sample(logits, sampling, seeds, state.lengths, cut_before_temperature)
        place = ops.minimum(state.lengths, room - 1)
        if forced is not None:
            prescribed = ops.take_along_axis(forced, place[:, None], axis=1)[:, 0]
            is_free = ops.equal(prescribed, 0)
            drawn, stuck = ops.where(is_free, drawn, prescribed), ops.logical_and(stuck, is_free)
        done = ops.logical_or(state.done, stuck)

        def write(buffer, values):
            return cache_lib.write_rows(buffer, place, values, ops.logical_not(done))

        new_lengths = ops.where(done, state.lengths, state.lengths + 1)
        if on_step is not None:
            new_lengths = on_step(new_lengths, ops.where(done, 0, drawn))
        stopped = constraints.stops(drawn)
        places = state.last_places
        if constraints.needs_places:
            places = history.add_event(places, drawn, state.lengths, ops.logical_not(done))
        return state._replace(
            token_ids=write(state.token_ids, drawn),
            log_probs=write(state.log_probs, token_log_probs(state.logits, drawn)),
            lengths=new_lengths,
            done=ops.logical_or(ops.logical_or(done, stopped), new_lengths >= limits),
            last_places=places,
        )

    def step(*state):
        state = State(*state)
        if window.slide is not None:
            state = _slide(state, window, steps)
        read = window.read(state.token_ids, state.start, state.lengths)
        # A row that is done may be one event longer than what is read.
        logits, cache = steps.advance(state.cache, state.done, *read)
        return tuple(append(state._replace(logits=logits, cache=cache)))

    with compute_weights(model):
        start = window.start(lengths)
        logits, cache = steps.prefill(*window.read(token_ids, start, lengths))
        state = State(
            token_ids=token_ids,
            log_probs=ops.full(ops.shape(token_ids), float("nan"), dtype="float32"),
            lengths=lengths,
            done=lengths >= limits,
            logits=logits,
            cache=cache,
            start=start,
            last_places=constraints.places(token_ids, lengths),
        )
        state = ops.while_loop(
            lambda *state: ops.logical_not(ops.all(State(*state).done)), step, tuple(append(state))
        )
    state = State(*state)
    return {
        "token_ids": state.token_ids,
        "lengths": state.lengths,
        "log_probs": state.log_probs,
    }


def begin_with_sos(token_ids, lengths):
    """Puts SOS at the start of the rows that hold nothing."""
    first = ops.where(ops.equal(lengths, 0), SOS, token_ids[:, 0])
    return ops.concatenate([first[:, None], token_ids[:, 1:]], axis=1), ops.maximum(lengths, 1)


def check_positions(positions, backbone):
    """Refuses no positions where the model has several index dimensions.

    Raises:
        ValueError: so.
    """
    if positions is None and backbone.num_index_dimensions > 1:
        raise ValueError(
            f"`positions` are needed: this model has {backbone.num_index_dimensions} index "
            "dimensions, and nothing says how its events continue."
        )


def make_steps(model, room, num_latents, refill="half", prefill="all", use_cache=None):
    """The steps of a loop: `CachedSteps` or `RecomputedSteps`."""
    make = CachedSteps if read_use_cache(use_cache, model.backbone) else RecomputedSteps
    return make(model, room, num_latents, refill, prefill)


def _slide(state, window, steps):
    """Takes the oldest events from the rows whose newest event finds no place."""
    full = window.overflows(state.start, state.lengths, state.done)

    def move():
        start = ops.where(full, state.start + window.slide, state.start)
        read = window.read(state.token_ids, start, state.lengths)
        return start, steps.restart(state.cache, full, *read)

    def stay():
        return state.start, state.cache

    start, cache = ops.cond(ops.any(full), move, stay)
    return state._replace(start=start, cache=cache)


def read_use_cache(use_cache, backbone):
    """Whether keys and values are kept.

    Args:
        use_cache: bool or None.
        backbone: `PerceiverARBackbone`.

    Returns:
        bool.

    Raises:
        ValueError: a cache is asked for, but every new input would change the keys of all others.
    """
    changes = []
    if backbone.positions_from_end:
        changes.append("positions that count from the end of a row (`from_end=True`)")
    if backbone.latent_query.style == "learned":
        changes.append("a learned latent for each place (`style='learned'`)")
    if use_cache and changes:
        raise ValueError(
            f"`use_cache=True` would be wrong: {' and '.join(changes)} change with every new input."
            " Leave it out: each step then reads the whole row."
        )
    return not changes if use_cache is None else bool(use_cache)
