"""Rows drawn some at a time, by one compiled program as far as that goes."""

import math
from typing import NamedTuple

import numpy as np

from keras_perceiver_ar.generation import BeamSearch
from pipelines.command_line import user_errors
from pipelines.generation.prompts import Row
from pipelines.generation.step_watch import StepWatch


class Drawn(NamedTuple):
    """A row that is done.

    Attributes:
        row: `Row`. What it began with.
        seed: int; None of a search.
        continuation: int32 (K,). Its new tokens, with EOS if it ended by itself.
        log_probs: float32 (K,). Of each of them, under the model itself.
    """

    row: Row
    seed: int
    continuation: np.ndarray
    log_probs: np.ndarray

    @property
    def token_ids(self):
        """int32 (T + K,): prompt and continuation."""
        return np.concatenate([self.row.token_ids, self.continuation])


def draw(
    model,
    rows,
    seed,
    batch_size,
    max_new_tokens,
    output,
    progress,
    sampler,
    positions=None,
    **options,
):
    """Draws rows batch after batch; the outputs see them as they come.

    Args:
        model: `PerceiverARCausalLM`.
        rows: list of `Row`.
        seed: int. Of the first row; each row after it has the next one.
        batch_size: int. Rows of a batch, at most. All batches have as many, so that one program
            does: rows that are drawn again and thrown away fill the last one up.
        max_new_tokens: int. For each row.
        output: `Output`.
        progress: `GenerationProgress`.
        sampler: `Sampler` or `BeamSearch`.
        positions: int32 (E, P) or None. Those of every row.
        **options: for `PerceiverARCausalLM.generate`.

    Raises:
        UserError: what `generate` refuses.
        KeyboardInterrupt: at Ctrl-C, and at SIGTERM as `Terminated`.
    """
    size = math.ceil(len(rows) / math.ceil(len(rows) / batch_size))
    is_search = isinstance(sampler, BeamSearch)
    watch = StepWatch(
        *([_of_beams(progress.see, sampler)] if is_search else [progress.see, output.see])
    )
    with watch:
        for first in range(0, len(rows), size):
            batch = rows[first : first + size]
            seeds = [seed + number for number in range(first, first + size)]
            inputs, forced = _inputs(batch + batch[-1:] * (size - len(batch)), positions)
            lengths = inputs["lengths"]
            prompt_tokens = int(lengths[: len(batch)].sum())
            progress.begin(prompt_tokens, len(batch), len(batch) * max_new_tokens)
            seeds_told = [None] * size if is_search else seeds
            output.begin(batch[0], seeds_told[0])
            with user_errors(ValueError):
                result = model.generate(
                    inputs,
                    max_new_tokens,
                    sampler,
                    seed=seeds,
                    forced=forced,
                    on_step=watch.on_step,
                    **options,
                )
            done = []
            for index, row in enumerate(batch):
                new = slice(lengths[index], result["lengths"][index])
                continuation = result["token_ids"][index, new]
                log_probs = result["log_probs"][index, : len(continuation)]
                done.append(Drawn(row, seeds_told[index], continuation, log_probs))
            progress.end_batch()
            with watch.held():
                output.add(done)


def _of_beams(see, beams):
    """A watcher of a search that lets one of drawing see rows: one goes on as long as a beam."""

    def see_rows(lengths, drawn, began):
        see(lengths, drawn.reshape(-1, beams.width).max(axis=1), began)

    return see_rows


def _inputs(rows, positions):
    """Inputs of `generate` for a batch, and its prescribed tokens or None."""
    lengths = np.array([len(row.token_ids) for row in rows], np.int32)
    token_ids = np.zeros((len(rows), lengths.max()), np.int32)
    for index, row in enumerate(rows):
        token_ids[index, : lengths[index]] = row.token_ids
    inputs = {"token_ids": token_ids, "lengths": lengths}
    if positions is not None:
        inputs["positions"] = np.broadcast_to(positions, (len(rows), *positions.shape))
    forced = None
    if rows[0].forced is not None:  # of images, whose rows all begin with the same
        forced = np.stack([row.forced for row in rows])
    return inputs, forced
