"""Which stretch of a document becomes a row, and which of its targets are scored.

Pure functions of numbers. A document has E events: SOS, its data, EOS. Every event but the first is
a target, so there are E − 1. A window is a stretch of inputs; the target of each input is the event
after it. D documents, W windows, M inputs (the context), N latents.
"""

from typing import NamedTuple

import numpy as np


class Windows(NamedTuple):
    """W windows over a list of documents.

    Window w takes events start[w] … start[w] + length[w] − 1 of document[w] as inputs. Its targets
    are the same events shifted by one, and the last scored[w] of them count.
    """

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    scored: np.ndarray


def block_windows(num_events, context, num_latents, unscored=0):
    """Windows that score each target of each document exactly once, in blocks of N.

    A document is cut into blocks of N targets, counted from its end, so that the FIRST block holds
    the remainder. The inputs of a block are as many events before its last target as the context
    takes.

    No target is ever scored twice, even by a model that ignores `scored` and scores every latent:
    latents sit on the last N inputs (or on all of them when there are fewer), a full block has at
    least N inputs and exactly N fresh targets, and a first block of r < N targets starts with the
    document, so its row has exactly r inputs. (Not so with `unscored`, nor for a model of more
    latents than N: there `scored` alone tells. That is strided evaluation, and with N = 1 that of
    every position.)

    Args:
        num_events: int, or int array (D,). E of each document, at least 2.
        context: int. M, the most inputs in a row.
        num_latents: int. N, the targets of a block, 1 … M.
        unscored: int. The first targets of each document that are none of any block, fewer than it
            has.

    Returns:
        `Windows` of arrays (W,), in document order: document and start int64, length and scored
        int32.

    Raises:
        ValueError: an empty document, `num_latents` outside 1 … M, or nothing to score.
    """
    num_events = np.atleast_1d(np.asarray(num_events, np.int64))
    if not 1 <= num_latents <= context:
        raise ValueError(f"`num_latents` must lie in 1 … {context} (context), got {num_latents}.")
    if num_events.size and num_events.min() < 2:
        raise ValueError(f"`num_events` must be at least 2, got {num_events.min()}.")
    num_targets = num_events - 1
    if unscored and not 0 <= unscored < num_targets.min(initial=unscored + 1):
        raise ValueError(f"`unscored` must lie in 0 … {num_targets.min() - 1}, got {unscored}.")
    num_blocks = -(-(num_targets - unscored) // num_latents)
    document = np.repeat(np.arange(num_events.size), num_blocks)
    first_block = np.cumsum(num_blocks) - num_blocks
    blocks_after = num_blocks[document] - 1 - (np.arange(document.size) - first_block[document])
    # The inputs of a block end before event `end`; event `end` is its last target.
    end = num_targets[document] - blocks_after * num_latents
    length = np.minimum(end, context)
    return Windows(
        document=document,
        start=end - length,
        length=length.astype(np.int32),
        scored=np.minimum(end - unscored, num_latents).astype(np.int32),
    )


def crop_range(num_events, min_inputs):
    """Range of places where a training crop may end, all of them equally likely.

    A crop that ends at `end` has event `end` as its last target and the min(end, M) events before
    it as inputs.

    Args:
        num_events: int. E of the document.
        min_inputs: int. Fewest events before the last target; a document that has fewer is taken
            whole.

    Returns:
        The smallest and the largest `end`, both included.

    Raises:
        ValueError: an empty document, or `min_inputs` less than 1.
    """
    if num_events < 2:
        raise ValueError(f"`num_events` must be at least 2, got {num_events}.")
    if min_inputs < 1:
        raise ValueError(f"`min_inputs` must be at least 1, got {min_inputs}.")
    return min(min_inputs, num_events - 1), num_events - 1
