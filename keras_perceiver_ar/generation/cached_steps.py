"""Decoding with a cache: each step reads its newest event alone.

B batch, T room for events, N latents on U positions (n on each), V vocabulary.
"""

from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.fused import few_rows
from keras_perceiver_ar.generation import cache as cache_lib
from keras_perceiver_ar.generation import prompt_keys
from keras_perceiver_ar.layers.latent_block import LatentBlock


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
        cross = prompt_keys.keys_and_values(self._project, token_ids, positions)
        first = ops.maximum(lengths - self.read, 0)
        latents, pairs = self._read(token_ids, positions, cross, first, self.read)
        filled = ops.minimum(lengths, self.read)
        last = ops.reshape(ops.maximum(filled - 1, 0), (-1, 1, 1))
        logits = self.output_layer(ops.take_along_axis(latents, last, axis=1))[:, 0]
        pairs = tuple(tuple(self._pad(part) for part in pair) for pair in pairs)
        return logits, cache_lib.DecodeCache(cross, pairs, filled)

    def advance(self, cache, done, token_ids, positions, lengths):
        """Puts latents on the newest event of each row.

        Args:
            cache: `DecodeCache`.
            done: bool (B,). Rows that need no more.
            token_ids: int32 (B, T).
            positions: int32 (B, T) or (B, T, P).
            lengths: int32 (B,).

        Returns:
            logits float32 (B, V) of the next events, and `DecodeCache`.
        """
        newest = ops.expand_dims(ops.maximum(lengths - 1, 0), -1)
        token = ops.take_along_axis(token_ids, newest, axis=1)
        position = masks.gather_at_steps(positions, newest)
        cross = self._extend_cross(cache.cross, token, position, newest[:, 0])
        full = ops.equal(cache.filled, self.slots)
        full = ops.logical_and(full, ops.logical_not(done))

        def refill():
            old = cache._replace(cross=cross)
            return self._refill(old, token_ids, positions, full, newest[:, 0])

        def keep():
            return cache.latents, cache.filled

        pairs, filled = ops.cond(ops.any(full), refill, keep)
        # A row that is done may be full as well: its last slot is written again, read by nobody.
        slot = ops.minimum(filled, self.slots - 1)
        latents, pairs = self._step(token, position, cross, pairs, slot, newest)
        filled = ops.where(done, filled, filled + 1)
        logits = self.output_layer(self.backbone.latent_stack.merge(latents))[:, 0]
        return logits, cache_lib.DecodeCache(cross, pairs, filled)

    def restart(self, cache, rows, token_ids, positions, lengths):
        """Reads rows again whose events have moved to other positions.

        Args:
            cache: `DecodeCache`.
            rows: bool (B,). Those rows.
            token_ids: int32 (B, T).
            positions: int32 (B, T) or (B, T, P).
            lengths: int32 (B,).

        Returns:
            `DecodeCache`, which takes those rows for full: `advance` then puts latents on as many
            of their last events as after any refill.
        """
        del lengths
        cross = prompt_keys.keys_and_values(self._project, token_ids, positions)
        cross = tuple(
            tuple(cache_lib.select_rows(rows, *parts) for parts in zip(*pair, strict=True))
            for pair in zip(cross, cache.cross, strict=True)
        )
        return cache._replace(cross=cross, filled=ops.where(rows, self.slots, cache.filled))

    def _project(self, token_ids, positions):
        """Keys and values of events for each cross-attend."""
        blocks = self.backbone.latent_stack.cross_attention_blocks
        embedded = self.backbone.embed(token_ids, positions) if blocks else None
        rotary = positions if self.backbone.rotary is not None else None
        return tuple(block.project_key_value(embedded, rotary) for block in blocks)

    def _extend_cross(self, cross, token, position, place):
        entries = self._project(token, position)
        return tuple(
            tuple(
                cache_lib.write_rows(buffer, place, part[:, 0])
                for buffer, part in zip(buffers, entry, strict=True)
            )
            for buffers, entry in zip(cross, entries, strict=True)
        )

    def _step(self, token, position, cross, pairs, slot, newest):
        """Runs the latents of one new position through the stack: (B, n, C), and the pairs."""
        latents, latent_positions = self.backbone.place_latents(token, position)
        number = self.per_position
        copies = few_rows.copies(number * (token.shape[0] or few_rows.ROWS))
        if copies > 1:
            latents = ops.tile(latents, (1, copies, 1))
            if latent_positions is not None:
                latent_positions = ops.tile(latent_positions, (1, copies))
        index = ops.arange(self.slots * number, dtype="int32") // number
        steps = masks.repeat_latents(ops.expand_dims(slot, -1), copies * number)
        visible = masks.cross_attention_mask(steps, index)

        def attend_to_latents(block, latents, pair):
            query, *entry = block.project(latents, latent_positions)
            pair = tuple(
                self._write_slot(buffer, slot, part[:, :number])
                for buffer, part in zip(pair, entry, strict=True)
            )
            return block.update(latents, query, *pair, visible), pair

        newest = masks.repeat_latents(newest, copies)
        latents, pairs = self._through(
            latents, latent_positions, cross, pairs, newest, attend_to_latents
        )
        return latents[:, :number], pairs

    def _through(self, latents, latent_positions, cross, pairs, steps, attend_to_latents):
        """The stack in its order.

        Args:
            latents: (B, S · n, C).
            latent_positions: int (B, S · n) or None.
            cross: keys and values of each cross-attend.
            pairs: what `attend_to_latents` is handed, one for each latent block.
            steps: int32 (B, S), the inputs on which the latents sit.
            attend_to_latents: function of block, latents and its pair → latents, pair.

        Returns:
            (B, S · n, C), and the pairs.
        """
        cross, pairs, new_pairs = iter(cross), iter(pairs), []
        steps = masks.repeat_latents(steps, self.per_position)
        for block in self.blocks:
            if isinstance(block, LatentBlock):
                latents, pair = attend_to_latents(block, latents, next(pairs))
                new_pairs.append(pair)
                continue
            key, value = next(cross)
            mask = masks.cross_attention_mask(steps, ops.shape(key)[1])
            query = block.project_query(latents, latent_positions)
            latents = block.update(latents, query, key, value, mask)
        return latents, tuple(new_pairs)

    def _read(self, token_ids, positions, cross, first, count):
        """Latents on the inputs first … first + count − 1: merged output, and keys and values.

        Where that runs past the end of a row, the latents hold nothing of meaning; they come last,
        so no latent with meaning reads them.
        """
        room = ops.shape(token_ids)[1]
        steps = ops.minimum(ops.expand_dims(first, 1) + ops.arange(count, dtype="int32"), room - 1)
        latents, latent_positions = self.backbone.place_latents(
            masks.gather_at_steps(token_ids, steps), masks.gather_at_steps(positions, steps)
        )
        index = ops.arange(count * self.per_position) // self.per_position
        causal = ops.expand_dims(ops.expand_dims(index, -1) >= index, 0)

        def attend_to_latents(block, latents, _):
            query, key, value = block.project(latents, latent_positions)
            return block.update(latents, query, key, value, causal), (key, value)

        nothing = [None] * len(self.blocks)
        latents, pairs = self._through(
            latents, latent_positions, cross, nothing, steps, attend_to_latents
        )
        return self.backbone.latent_stack.merge(latents), pairs

    def _refill(self, cache, token_ids, positions, full, newest):
        """Starts the full rows again, with latents on the kept − 1 inputs before the newest."""
        count = self.kept - 1
        filled = ops.where(full, count, cache.filled)
        if count == 0:
            return cache.latents, filled
        first = ops.maximum(newest - count, 0)
        _, pairs = self._read(token_ids, positions, cache.cross, first, count)
        merged = tuple(
            tuple(
                cache_lib.select_rows(full, self._pad(new), old)
                for new, old in zip(*pair, strict=True)
            )
            for pair in zip(pairs, cache.latents, strict=True)
        )
        return merged, filled

    def _pad(self, entries):
        missing = self.slots * self.per_position - entries.shape[1]
        return ops.pad(entries, [[0, 0], [0, missing], [0, 0], [0, 0]]) if missing else entries

    def _write_slot(self, buffer, slot, entries):
        """Writes the n entries of one position: buffer (B, N, H, D), entries (B, n, H, D)."""
        if self.per_position == 1:
            return cache_lib.write_rows(buffer, slot, entries[:, 0])
        shape = (-1, self.slots, self.per_position, *buffer.shape[2:])
        written = cache_lib.write_rows(ops.reshape(buffer, shape), slot, entries)
        return ops.reshape(written, (-1, *buffer.shape[1:]))


def refill_size(refill, num_positions):
    """Positions held after a refill, the newest included.

    Raises:
        ValueError: neither "half" nor an integer from 1 to U.
    """
    if refill == "half":
        return max(num_positions // 2, 1)
    return _read_size("refill", refill, '"half"', num_positions)


def prefill_size(prefill, num_positions):
    """Positions of a prompt that latents are put on.

    Raises:
        ValueError: neither "all" nor an integer from 1 to U.
    """
    if prefill == "all":
        return num_positions
    return _read_size("prefill", prefill, '"all"', num_positions)


def _read_size(name, size, word, most):
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= most:
        raise ValueError(
            f"`{name}` must be {word} or an integer from 1 to {most}, the positions on which "
            f"latents sit. Received: {name}={size!r}"
        )
    return size
