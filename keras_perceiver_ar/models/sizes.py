"""Sizes that a model, or what it is given, cannot have."""

import numpy as np


def check_sizes(**sizes):
    """Refuses numbers that are no sizes.

    Raises:
        ValueError: not an integer, or too small. `num_layers` may be 0.
    """
    for name, value in sizes.items():
        least = 0 if name == "num_layers" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {name}={value!r}")


def check_num_latents(num_latents, max_context):
    """Refuses numbers of latents that no row could hold.

    Raises:
        ValueError: not an integer from 1 to `max_context`.
    """
    if not isinstance(num_latents, int) or isinstance(num_latents, bool) or num_latents < 1:
        raise ValueError(
            "`num_latents` must be a Python integer ≥ 1, because it is a shape. "
            f"Received: num_latents={num_latents!r}"
        )
    if num_latents > max_context:
        raise ValueError(
            "There cannot be more latents than inputs: each latent sits on an input of its own. "
            f"Received: num_latents={num_latents}, max_context={max_context}"
        )


def check_inputs(inputs, max_context, num_index_dimensions):
    """Refuses inputs of shapes that a model cannot read.

    Args:
        inputs: dict, as a `PerceiverARBackbone` takes it.
        max_context: int.
        num_index_dimensions: int. P that the model's positions have.

    Raises:
        ValueError: names the input.
    """
    if "token_ids" not in inputs:
        raise ValueError(f"`inputs` must hold `token_ids`. Received: {sorted(inputs)}")
    shape = np.shape(inputs["token_ids"])
    if len(shape) != 2 or shape[1] == 0:
        raise ValueError(
            f"`token_ids` must have the shape (B, M) with M ≥ 1. Received: shape {tuple(shape)}"
        )
    if shape[1] is not None and shape[1] > max_context:
        raise ValueError(
            f"`token_ids` holds {shape[1]} inputs a row, more than max_context={max_context}: "
            "cut the rows, or build the model with a longer context."
        )
    if inputs.get("positions") is None:
        return
    given = np.shape(inputs["positions"])
    dimensions = given[2] if len(given) == 3 else 1
    fits = len(given) in (2, 3) and dimensions == num_index_dimensions
    if not fits or (None not in (given[1], shape[1]) and given[1] != shape[1]):
        raise ValueError(
            "`positions` must have the shape (B, M) or (B, M, P) with the M of `token_ids` and "
            f"P = {num_index_dimensions}. Received: shape {tuple(given)}, token_ids {tuple(shape)}"
        )
