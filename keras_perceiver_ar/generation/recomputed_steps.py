"""Decoding without a cache: each step reads the whole row."""


class RecomputedSteps:
    """Steps of a decode loop for models whose keys change with every new input.

    Slow, and always right: each step is a call of the model with N latents. Also what the original
    does without its memory.

    Args:
        model: `PerceiverARCausalLM`.
        room: int or None. T, if it is known.
        num_latents: int or None. N.
        refill, prefill: not used; nothing is kept.
    """

    def __init__(self, model, room, num_latents, refill="half", prefill="all"):
        del refill, prefill
        self.model = model
        backbone = model.backbone
        num_positions = backbone.num_positions(num_latents)
        if room is not None:
            num_positions = min(num_positions, room)
        self.num_latents = num_positions * backbone.latents_per_position

    def prefill(self, token_ids, positions, lengths):
        """Logits (B, V) of the events after the prompts, and nothing to keep."""
        inputs = {"token_ids": token_ids, "lengths": lengths, "positions": positions}
        # Latents are right-aligned: the last one sits on the last event of its row.
        return self.model(inputs, num_latents=self.num_latents)[:, -1], ()

    def advance(self, cache, done, token_ids, positions, lengths):
        """Logits (B, V) of the events after those of the rows, and nothing to keep."""
        del cache, done
        return self.prefill(token_ids, positions, lengths)

    def restart(self, cache, rows, token_ids, positions, lengths):
        """Nothing is kept, so nothing has to be read again."""
        del rows, token_ids, positions, lengths
        return cache
