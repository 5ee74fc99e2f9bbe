"""Decoding with a cache: each step reads its newest event alone.

B batch, T room for events, N latents on U positions (n on each), V vocabulary.
"""

from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.fused import few_rows, in_place
from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import prompt_keys
from keras_perceiver_ar.generation.arguments import read_size
from keras_perceiver_ar.layers.latent_block import LatentBlock

_OF = "the positions on which latents sit"  # most of a refill, and of a prefill


class CachedSteps:
    """Steps of a decode loop that keep keys and values.

    Args:
        model: `PerceiverARCausalLM`.
        room: int or None. T, if it is known.
        num_latents: int or None. N.
        refill: "half" or int. Positions held after a refill, the newest included.
        prefill: "all" or int. Positions of a prompt that latents are put on; the original puts 1.

    Raises:
        ValueError: a refill or prefill that does not fit.
    """

    def __init__(self, model, room, num_latents, refill="half", prefill="all"):
        self.backbone = backbone = model.backbone
        self.output_layer = model.logits
        self.blocks = backbone.latent_stack.blocks
        self.per_position = backbone.latents_per_position
        slots = backbone.num_positions(num_latents)
        kept, read = refill_size(refill, slots), prefill_size(prefill, slots)
        # More positions than room never fill up, so they never refill.
        self.slots = slots if room is None else min(slots, room)
        self.kept, self.read = min(kept, self.slots), min(read, self.slots)

    def prefill(self, token_ids, positions, lengths):
        """Reads the prompts.

        Args:
            token_ids: int32 (B, T).
            positions: int32 (B, T) or (B, T, P).
            lengths: int32 (B,).

        Returns:
            logits float32 (B, V) of the next events, and `DecodeCache`.
        """
        room = ops.shape(token_ids)[1]
        cross, key_steps = self._read_inputs(token_ids, positions, lengths - 1, room - 1)
        latents, pairs = self._read(token_ids, positions, cross, key_steps, lengths, self.read)
        logits = self.output_layer(latents[:, -1:])[:, 0]
        pairs = self._laid_out(pairs, -1)
        filled = ops.minimum(lengths, self.read)
        written = ops.zeros((), "int32")
        return logits, cache_lib.DecodeCache(cross, pairs, filled, written)

    def advance(self, cache, done, token_ids, positions, lengths):
        """Puts latents on the newest event of each row.

        Args:
            cache: `DecodeCache`.
            done: bool (B,). Rows that need no more; what is kept of them is spoilt.
            token_ids: int32 (B, T).
            positions: int32 (B, T) or (B, T, P).
            lengths: int32 (B,).

        Returns:
            logits float32 (B, V) of the next events, and `DecodeCache`.
        """
        newest = ops.maximum(lengths - 1, 0)
        room = ops.shape(token_ids)[1]
        token = ops.take_along_axis(token_ids, newest[:, None], axis=1)
        position = masks.gather_at_steps(positions, newest[:, None])
        place = ops.mod(cache.written, room)
        cross = self._extend_cross(cache.cross, token, position, place)
        key_steps = _event_at_each_place(newest, place, room)
        full = ops.logical_and(ops.equal(cache.filled, self.slots), ops.logical_not(done))

        def refill():
            old = cache._replace(cross=cross)
            return self._refill(old, token_ids, positions, key_steps, full, newest)

        def keep():
            return cache.latents, cache.filled

        pairs, filled = ops.cond(ops.any(full), refill, keep)
        steps = newest[:, None]
        latents, pairs = self._step(
            token, position, steps, (cross, key_steps), pairs, filled, cache.written
        )
        logits = self.output_layer(self.backbone.latent_stack.merge(latents))[:, 0]
        filled = ops.where(done, filled, filled + 1)
        return logits, cache_lib.DecodeCache(cross, pairs, filled, cache.written + 1)

    def restart(self, cache, rows, token_ids, positions, lengths):
        """Reads rows again whose events have moved to other positions.

        Args:
            cache: `DecodeCache`.
            rows: bool (B,). Those rows.
            token_ids: int32 (B, T).
            positions: int32 (B, T) or (B, T, P).
            lengths: int32 (B,).

        Returns:
            `DecodeCache`, which takes those rows for full: `advance`, which has to follow, then
            puts latents on as many of their last events as after any refill.
        """
        place = ops.mod(cache.written, ops.shape(token_ids)[1])
        cross, _ = self._read_inputs(token_ids, positions, lengths - 1, place)
        cross = tuple(
            tuple(cache_lib.select_rows(rows, *parts) for parts in zip(*pair, strict=True))
            for pair in zip(cross, cache.cross, strict=True)
        )
        return cache._replace(cross=cross, filled=ops.where(rows, self.slots, cache.filled))

    def _read_inputs(self, token_ids, positions, newest, place):
        """Keys and values of all events, the newest of each row at a place; and whose they are."""
        key_steps = _event_at_each_place(newest, place, ops.shape(token_ids)[1])
        event = ops.where(key_steps < masks.NOWHERE, key_steps, 0)
        token_ids = ops.take_along_axis(token_ids, event, axis=1)
        positions = masks.gather_at_steps(positions, event)
        return prompt_keys.keys_and_values(self._project, token_ids, positions), key_steps

    def _project(self, token_ids, positions):
        """Keys and values of events for each cross-attend."""
        blocks = self.backbone.latent_stack.cross_attention_blocks
        embedded = self.backbone.embed(token_ids, positions) if blocks else None
        rotary = positions if self.backbone.rotary is not None else None
        return tuple(block.project_key_value(embedded, rotary) for block in blocks)

    def _extend_cross(self, cross, token, position, place):
        entries = self._project(token, position)
        return tuple(
            tuple(in_place.write(*parts) for parts in zip(pair, (place, place), entry, strict=True))
            for pair, entry in zip(cross, entries, strict=True)
        )

    def _step(self, token, position, steps, cross, pairs, filled, place):
        """Runs the latents of one new position through the stack: (B, n, C), and the pairs."""
        latents, latent_positions = self.backbone.place_latents(token, position)
        number = self.per_position
        # What TensorFlow forgot: how few they are.
        latents = ops.reshape(latents, (-1, number, latents.shape[-1]))
        copies = few_rows.copies(number * (token.shape[0] or few_rows.ROWS))
        if copies > 1:
            latents = ops.tile(latents, (1, copies, 1))
            if latent_positions is not None:
                axes = [1] * (len(latent_positions.shape) - 2)
                latent_positions = ops.tile(latent_positions, (1, copies, *axes))
        age = ops.repeat(cache_lib.ages(place, self.slots), number)
        held = ops.where(age <= ops.expand_dims(filled, -1), 0, masks.NOWHERE)
        # A position's latents all read what it may read: itself and those before it.
        zeros = masks.repeat_latents(ops.zeros_like(steps), copies * number)
        visible = masks.cross_attention_mask(zeros, held)
        start = ops.mod(place, self.slots) * number

        def attend_to_latents(block, latents, pair):
            query, *entry = block.project(latents, latent_positions)
            pair = tuple(
                in_place.write(buffer, start, part[:, :number])
                for buffer, part in zip(pair, entry, strict=True)
            )
            return block.update(latents, query, *pair, visible), pair

        steps = masks.repeat_latents(steps, copies)
        latents, pairs = self._through(
            latents, latent_positions, cross, pairs, steps, attend_to_latents
        )
        return latents[:, :number], pairs

    def _through(self, latents, latent_positions, cross, pairs, steps, attend_to_latents):
        """The stack in its order.

        Args:
            latents: (B, S · n, C).
            latent_positions: int (B, S · n) or None.
            cross: keys and values of each cross-attend, and int32 (B, T), the event of each.
            pairs: what `attend_to_latents` is handed, one for each latent block.
            steps: int32 (B, S), the inputs on which the latents sit.
            attend_to_latents: function of block, latents and its pair → latents, pair.

        Returns:
            (B, S · n, C), and the pairs.
        """
        (cross, key_steps), pairs, new_pairs = cross, iter(pairs), []
        cross = iter(cross)
        mask = masks.cross_attention_mask(masks.repeat_latents(steps, self.per_position), key_steps)
        for block in self.blocks:
            if isinstance(block, LatentBlock):
                latents, pair = attend_to_latents(block, latents, next(pairs))
                new_pairs.append(pair)
                continue
            query = block.project_query(latents, latent_positions)
            latents = block.update(latents, query, *next(cross), mask)
        return latents, tuple(new_pairs)

    def _read(self, token_ids, positions, cross, key_steps, lengths, count):
        """Latents on the last inputs of each row: merged output, and keys and values.

        As in a call of the model: a row of fewer inputs than latents has some that sit on none, at
        the start, and none that does reads those.
        """
        steps = masks.latent_steps(lengths, count)
        latents, latent_positions = self.backbone.place_latents(
            masks.gather_at_steps(token_ids, steps), masks.gather_at_steps(positions, steps)
        )
        visible = masks.latent_attention_mask(
            masks.repeat_latents(steps, self.per_position),
            latents_per_position=self.per_position,
        )

        def attend_to_latents(block, latents, _):
            query, key, value = block.project(latents, latent_positions)
            return block.update(latents, query, key, value, visible), (key, value)

        nothing = [None] * len(self.blocks)
        latents, pairs = self._through(
            latents, latent_positions, (cross, key_steps), nothing, steps, attend_to_latents
        )
        return self.backbone.latent_stack.merge(latents), pairs

    def _refill(self, cache, token_ids, positions, key_steps, full, newest):
        """Starts the full rows again, with latents on the kept − 1 inputs before the newest."""
        count = self.kept - 1
        filled = ops.where(full, count, cache.filled)
        if count == 0:
            return cache.latents, filled
        _, pairs = self._read(token_ids, positions, cache.cross, key_steps, newest, count)
        pairs = self._laid_out(pairs, cache.written - 1)
        merged = tuple(
            tuple(cache_lib.select_rows(full, *parts) for parts in zip(*pair, strict=True))
            for pair in zip(pairs, cache.latents, strict=True)
        )
        return merged, filled

    def _laid_out(self, pairs, place):
        """Entries of latents, the newest last, as rings in which the newest is at a place."""
        number = self.per_position
        size, place = self.slots * number, (place + 1) * number - 1
        return tuple(tuple(cache_lib.turn(part, place, size) for part in pair) for pair in pairs)


def _event_at_each_place(newest, place, room):
    """The event whose keys lie at each place of a ring: int32 (B, T), `NOWHERE` for none.

    Args:
        newest: int32 (B,). The newest event of each row.
        place: int32 scalar. Where that lies.
        room: int or int32 scalar. T.
    """
    event = ops.expand_dims(newest, -1) - cache_lib.ages(place, room)
    return ops.where(event >= 0, event, masks.NOWHERE)


def refill_size(refill, num_positions):
    """Positions held after a refill, the newest included.

    Raises:
        ValueError: neither "half" nor an integer from 1 to U.
    """
    if refill == "half":
        return max(num_positions // 2, 1)
    return read_size("refill", refill, '"half"', num_positions, _OF)


def prefill_size(prefill, num_positions):
    """Positions of a prompt that latents are put on.

    Raises:
        ValueError: neither "all" nor an integer from 1 to U.
    """
    if prefill == "all":
        return num_positions
    return read_size("prefill", prefill, '"all"', num_positions, _OF)
