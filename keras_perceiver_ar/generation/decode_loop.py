"""The decode loop: prefill, then one event a step, in one program.

`keras.ops` only, so that it runs inside `tf.function`, `jax.jit` and a SavedModel. B batch, T room
for events (prompt and continuation), N latents, V vocabulary.
"""

from typing import NamedTuple

from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import sampler as sampler_lib
from keras_perceiver_ar.models.scoring import token_log_probs


class _State(NamedTuple):
    token_ids: object  # int32 (B, T)
    log_probs: object  # float32 (B, T), of the events that were generated
    lengths: object  # int32 (B,)
    done: object  # bool (B,)
    logits: object  # float32 (B, V), of the next event
    cache: cache_lib.DecodeCache


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
    stop_ids=(1,),
    cut_before_temperature=False,
):
    """Continues rows of events, each until its own limit or a stop id.

    Args:
        model: `PerceiverARCausalLM`.
        token_ids: int32 (B, T). Prompts, with room for what is generated.
        lengths: int32 (B,). Events in each prompt. A row of none stays empty.
        max_new_tokens: int32 (B,). A row also ends when its T places are full.
        temperature: float32 (B,).
        top_p: float32 (B,).
        seeds: int32 (B,).
        positions: int32 (B, T) or (B, T, P), or None.
        num_latents: int or None. N.
        refill: "half" or int.
        stop_ids: tuple of int.
        cut_before_temperature: bool.

    Returns:
        dict: `token_ids` int32 (B, T), `lengths` int32 (B,), `log_probs` float32 (B, T), NaN where
        nothing was generated.

    Raises:
        ValueError: positions that count from the end of the row: every new event would change the
            position, and so the cached key, of every other.
    """
    backbone = model.backbone
    check_positions(backbone)
    room = ops.shape(token_ids)[1]  # a tensor, where a served model takes any width
    num_latents = num_latents or backbone.num_latents
    kept = refill_size(refill, num_latents)
    if token_ids.shape[1] is not None:
        # More latents than room never fill up, so they never refill.
        num_latents = min(num_latents, token_ids.shape[1])
        kept = min(kept, num_latents)
    lengths = ops.cast(lengths, "int32")
    if positions is None:
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
        state = _State(*state)
        logits, cache = _advance(backbone, model.logits, state, positions, num_latents, kept)
        return tuple(append(state._replace(logits=logits, cache=cache)))

    logits, cache = _prefill(backbone, model.logits, token_ids, lengths, positions, num_latents)
    state = _State(
        token_ids=ops.cast(token_ids, "int32"),
        log_probs=ops.full(ops.shape(token_ids), float("nan"), dtype="float32"),
        lengths=lengths,
        done=ops.logical_or(ops.equal(lengths, 0), lengths >= limits),
        logits=logits,
        cache=cache,
    )
    state = ops.while_loop(
        lambda *state: ops.logical_not(ops.all(_State(*state).done)), step, tuple(append(state))
    )
    state = _State(*state)
    return {
        "token_ids": state.token_ids,
        "lengths": state.lengths,
        "log_probs": state.log_probs,
    }


def check_positions(backbone):
    """Refuses a backbone whose cached keys would change with every new input.

    Raises:
        ValueError: its positions count from the end of the row.
    """
    if backbone.positions_from_end:
        raise ValueError(
            "generate keeps the keys of past inputs, but positions that count from the end of a "
            "row (`from_end=True`) change with every new input. Use positions from the start."
        )


def refill_size(refill, num_latents):
    """Latents held after a refill, the newest included."""
    if refill == "half":
        return max(num_latents // 2, 1)
    if not isinstance(refill, int) or isinstance(refill, bool) or not 1 <= refill <= num_latents:
        raise ValueError(
            f'`refill` must be "half" or an integer from 1 to num_latents={num_latents}. '
            f"Received: refill={refill!r}"
        )
    return refill


def _prefill(backbone, output_layer, token_ids, lengths, positions, num_latents):
    """Reads the prompts with as many latents as they have room for: logits (B, V) and the cache."""
    embedded = backbone.embed(token_ids, positions)
    cross = backbone.cross_attention_block.project_key_value(
        embedded, _rotary_positions(backbone, positions)
    )
    first = ops.maximum(lengths - num_latents, 0)
    latents, pairs = _read(backbone, token_ids, positions, cross, first, num_latents)
    filled = ops.minimum(lengths, num_latents)
    last = ops.reshape(ops.maximum(filled - 1, 0), (-1, 1, 1))
    logits = output_layer(ops.take_along_axis(latents, last, axis=1))[:, 0]
    return logits, cache_lib.DecodeCache(cross, pairs, filled)


def _read(backbone, token_ids, positions, cross, first, count):
    """Latents on the inputs first … first + count − 1: normalised output and keys and values.

    Where that runs past the end of a row, the latents hold nothing of meaning; they come last, so
    no latent with meaning reads them.
    """
    room = ops.shape(token_ids)[1]
    steps = ops.minimum(ops.expand_dims(first, 1) + ops.arange(count, dtype="int32"), room - 1)
    at_steps = masks.gather_at_steps(positions, steps)
    embedded = backbone.embed(masks.gather_at_steps(token_ids, steps), at_steps)
    rotary_positions = _rotary_positions(backbone, at_steps)
    latents = backbone.latent_query(embedded)
    block = backbone.cross_attention_block
    latents = block.update(
        latents,
        block.project_query(latents, rotary_positions),
        *cross,
        masks.cross_attention_mask(steps, room),
    )
    index = ops.arange(count)
    causal = ops.expand_dims(ops.expand_dims(index, -1) >= index, 0)
    pairs = []
    for block in backbone.latent_blocks:
        query, key, value = block.project(latents, rotary_positions)
        latents = block.update(latents, query, key, value, causal)
        pairs.append((key, value))
    return backbone.final_norm(latents), tuple(pairs)


def _advance(backbone, output_layer, state, positions, num_latents, kept):
    """Puts a latent on the newest event of each row: logits (B, V) of the next, and the cache."""
    newest = ops.expand_dims(ops.maximum(state.lengths - 1, 0), -1)
    position = masks.gather_at_steps(positions, newest)
    embedded = backbone.embed(ops.take_along_axis(state.token_ids, newest, axis=1), position)
    rotary_position = _rotary_positions(backbone, position)
    block = backbone.cross_attention_block
    cross = tuple(
        cache_lib.write_rows(buffer, newest[:, 0], entry[:, 0])
        for buffer, entry in zip(
            state.cache.cross,
            block.project_key_value(embedded, rotary_position),
            strict=True,
        )
    )
    full = ops.logical_and(ops.equal(state.cache.filled, num_latents), ops.logical_not(state.done))

    def refill():
        return _refill(backbone, state, positions, cross, full, newest[:, 0], kept)

    def keep():
        return state.cache.latents, state.cache.filled

    pairs, filled = ops.cond(ops.any(full), refill, keep)
    # A row that is done may be full as well: its last slot is written again, and read by nobody.
    slot = ops.minimum(filled, num_latents - 1)
    visible = ops.expand_dims(
        ops.arange(num_latents, dtype="int32") <= ops.expand_dims(slot, -1), 1
    )
    latents = backbone.latent_query(embedded)
    latents = block.update(
        latents,
        block.project_query(latents, rotary_position),
        *cross,
        masks.cross_attention_mask(newest, ops.shape(state.token_ids)[1]),
    )
    new_pairs = []
    for block, (keys, values) in zip(backbone.latent_blocks, pairs, strict=True):
        query, key, value = block.project(latents, rotary_position)
        keys = cache_lib.write_rows(keys, slot, key[:, 0])
        values = cache_lib.write_rows(values, slot, value[:, 0])
        latents = block.update(latents, query, keys, values, visible)
        new_pairs.append((keys, values))
    filled = ops.where(state.done, filled, filled + 1)
    logits = output_layer(backbone.final_norm(latents))[:, 0]
    return logits, cache_lib.DecodeCache(cross, tuple(new_pairs), filled)


def _refill(backbone, state, positions, cross, full, newest, kept):
    """Starts the full rows again, with latents on the kept − 1 inputs before the newest."""
    count = kept - 1
    filled = ops.where(full, count, state.cache.filled)
    if count == 0:
        return state.cache.latents, filled
    first = ops.maximum(newest - count, 0)
    _, pairs = _read(backbone, state.token_ids, positions, cross, first, count)

    def merge(new, old):
        padding = old.shape[1] - count
        new = ops.pad(new, [[0, 0], [0, padding], [0, 0], [0, 0]])
        return cache_lib.select_rows(full, new, old)

    merged = tuple(
        tuple(merge(new, old) for new, old in zip(*pair, strict=True))
        for pair in zip(pairs, state.cache.latents, strict=True)
    )
    return merged, filled


def _rotary_positions(backbone, positions):
    return positions if backbone.rotary is not None else None
