"""What a decode loop says at each step, and what whole calls say of the same events."""

import numpy as np
from keras import ops

from keras_perceiver_ar.generation.cached_steps import CachedSteps
from tests.keras_perceiver_ar.support import CONTEXT, all_to_numpy, jitted


def seen(length, new, positions, kept, slide=None, read=None):
    """Of one row, for each new token: the first event read and the positions that hold latents.

    Args:
        length: int. Of the prompt.
        new: int.
        positions: int. U.
        kept: int. Positions held after a refill.
        slide: int or None.
        read: int or None. Positions of the prompt that hold latents, at most; None is U.

    Returns:
        list of (start, held), and the number of refills and slides.
    """
    start = max(length - CONTEXT, 0) if slide else 0
    found = [(start, min(length - start, positions, read or positions))]
    again = 0
    while len(found) < new:
        length += 1
        start, held = found[-1]
        moved = slide and length - start > CONTEXT
        start += slide if moved else 0
        full = moved or held == positions
        again += full
        found.append((start, kept if full else held + 1))
    return found, again


def uncached_logits(run, ids, lengths, steps, per_position=1, positions=None):
    """Logits (B, new, V) of every next token, each from an uncached call.

    Args:
        run: the model, see `support.compiled`.
        ids: int32 (B, T).
        lengths: int (B,). Of the prompts.
        steps: list of `seen` of each row.
        per_position: int. n.
        positions: int32 (B, T, P) or None.
    """
    rows, new = len(steps), len(steps[0])
    result = {}
    for count in sorted({held for row in steps for _, held in row}):
        places = [
            (r, i) for r, row in enumerate(steps) for i, step in enumerate(row) if step[1] == count
        ]
        batch, ends = np.zeros((rows * new, CONTEXT), "int32"), np.ones(rows * new, "int32")
        inputs = {"token_ids": batch, "lengths": ends}
        if positions is not None:
            inputs["positions"] = np.ones((rows * new, CONTEXT, positions.shape[-1]), "int32")
        for slot, (row, i) in enumerate(places):
            start, end = steps[row][i][0], lengths[row] + i
            ends[slot] = end - start
            batch[slot, : end - start] = ids[row, start:end]
            if positions is not None:
                inputs["positions"][slot, : end - start] = positions[row, start:end]
        logits = run(inputs, num_latents=count * per_position)[:, -1]
        result |= dict(zip(places, logits.astype("float64")))
    return np.array([[result[row, i] for i in range(new)] for row in range(rows)])


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def cached_logits(model, ids, lengths, new, positions=None, **options):
    """Logits (B, new, V) of every next token, from steps that keep keys and values.

    Args:
        model: `PerceiverARCausalLM`.
        ids: int32 (B, T), prompts and what follows them.
        lengths: int (B,). Of the prompts.
        new: int.
        positions: int32 (B, T, P) or None.
        options: of `CachedSteps`.
    """
    ids = ids[:, :CONTEXT]
    prompts = np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, 0)
    if positions is None:
        positions = np.broadcast_to(np.arange(ids.shape[1], dtype="int32") + 1, ids.shape)
    positions = positions[:, : ids.shape[1]]
    steps = CachedSteps(model, ids.shape[1], **options)

    def run(prompts, ids, positions, lengths):
        first, cache = steps.prefill(prompts, positions, lengths)
        found = ops.zeros((new, *first.shape), "float32")
        found = ops.slice_update(found, (0, 0, 0), first[None])

        def step(number, found, cache):
            never = ops.zeros_like(lengths, dtype="bool")
            logits, cache = steps.advance(cache, never, ids, positions, lengths + number)
            return number + 1, ops.slice_update(found, (number, 0, 0), logits[None]), cache

        return ops.while_loop(lambda number, *_: number < new, step, (1, found, cache))[1]

    found = jitted(run)(prompts, ids, positions, lengths)
    return np.moveaxis(all_to_numpy(found), 0, 1)
