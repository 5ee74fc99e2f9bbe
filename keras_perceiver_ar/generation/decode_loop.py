"""The decode loop: prefill, then one event a step, in one program.

`keras.ops` only, so that it runs inside `tf.function`, `jax.jit` and a SavedModel. B batch, T room
for events (prompt and continuation), M context, N latents on U positions, V vocabulary.
"""

from typing import NamedTuple

from keras import ops

from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import sampler as sampler_lib
from keras_perceiver_ar.generation.cached_steps import CachedSteps
from keras_perceiver_ar.generation.compute_weights import compute_weights
from keras_perceiver_ar.generation.recomputed_steps import RecomputedSteps
from keras_perceiver_ar.models.scoring import token_log_probs


class State(NamedTuple):
    """What one step hands to the next."""

    token_ids: object  # int32 (B, T)
    log_probs: object  # float32 (B, T), of the events that were generated
    lengths: object  # int32 (B,)
    done: object  # bool (B,)
    logits: object  # float32 (B, V), of the next event
    cache: object  # of the steps, whatever they keep


def decode(
    model,
    token_ids,
    lengths,
    max_new_tokens,
    temperature,
    top_p,
    seeds,
    *,
    positions=None,
    num_latents=None,
    refill="half",
    prefill="all",
    use_cache=None,
    stop_ids=(1,),
    cut_before_temperature=False,
    on_step=None,
):
    """Continues rows of events, each until its own limit or a stop id.

    Args:
        model: `PerceiverARCausalLM`.
        token_ids: int32 (B, T). Prompts, with room for what is generated. T is M + 1 at most: the
            last event is read by nobody, so caches and steps have M places.
        lengths: int32 (B,). Events in each prompt, M at most. A row of none stays empty.
        max_new_tokens: int32 (B,). A row also ends when its T places are full.
        temperature: float32 (B,).
        top_p: float32 (B,).
        seeds: int32 (B,).
        positions: int32 (B, T) or (B, T, P), or None, which is 1, 2, 3, …
        num_latents: int or None. N.
        refill: "half" or int. Positions held after a refill.
        prefill: "all" or int. Positions of a prompt that latents are put on.
        use_cache: bool or None. None keeps keys and values where that can be done.
        stop_ids: tuple of int.
        cut_before_temperature: bool.
        on_step: function of the lengths so far, int32 (B,), that returns them, or None. Called
            whenever each row that is not done has got an event.

    Returns:
        dict: `token_ids` int32 (B, T), `lengths` int32 (B,), `log_probs` float32 (B, T), NaN where
        nothing was generated.

    Raises:
        ValueError: a cache is asked for where there can be none, a refill or prefill that does not
            fit, or no positions where the model needs several index dimensions.
    """
    backbone = model.backbone
    room = ops.shape(token_ids)[1]  # a tensor, where a served model takes any width
    make_steps = CachedSteps if read_use_cache(use_cache, backbone) else RecomputedSteps

    def readable(events):
        return events[:, : backbone.max_context]

    steps = make_steps(model, readable(token_ids).shape[1], num_latents, refill, prefill)
    lengths = ops.cast(lengths, "int32")
    if positions is None:
        if backbone.num_index_dimensions > 1:
            raise ValueError(
                f"`positions` are needed: this model has {backbone.num_index_dimensions} index "
                "dimensions, and nothing says how its events continue."
            )
        index = ops.arange(room, dtype="int32") + 1
        positions = ops.broadcast_to(index, ops.shape(token_ids))
    limits = ops.minimum(lengths + ops.cast(max_new_tokens, "int32"), room)
    forbidden = [token_id for token_id in (0, 1, 2) if token_id not in stop_ids]

    def append(state):
        """Draws the next event of each row that is not done."""
        logits = sampler_lib.forbid(state.logits, forbidden)
        drawn = sampler_lib.sample(
            logits, temperature, top_p, seeds, state.lengths, cut_before_temperature
        )
        place = ops.minimum(state.lengths, room - 1)

        def write(buffer, values):
            old = ops.take_along_axis(buffer, place[:, None], axis=1)[:, 0]
            return cache_lib.write_rows(buffer, place, ops.where(state.done, old, values))

        new_lengths = ops.where(state.done, state.lengths, state.lengths + 1)
        if on_step is not None:
            new_lengths = on_step(new_lengths)
        stopped = ops.zeros_like(state.done)
        for token_id in stop_ids:
            stopped = ops.logical_or(stopped, ops.equal(drawn, token_id))
        done = ops.logical_or(ops.logical_or(state.done, stopped), new_lengths >= limits)
        return state._replace(
            token_ids=write(state.token_ids, drawn),
            log_probs=write(state.log_probs, token_log_probs(state.logits, drawn)),
            lengths=new_lengths,
            done=done,
        )

    def step(*state):
        state = State(*state)
        # A row that is done may be one event longer than what is read.
        read = state._replace(
            token_ids=readable(state.token_ids),
            lengths=ops.minimum(state.lengths, backbone.max_context),
        )
        logits, cache = steps.advance(read, readable(positions))
        return tuple(append(state._replace(logits=logits, cache=cache)))

    with compute_weights(model):
        logits, cache = steps.prefill(readable(token_ids), lengths, readable(positions))
        state = State(
            token_ids=ops.cast(token_ids, "int32"),
            log_probs=ops.full(ops.shape(token_ids), float("nan"), dtype="float32"),
            lengths=lengths,
            done=ops.logical_or(ops.equal(lengths, 0), lengths >= limits),
            logits=logits,
            cache=cache,
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
