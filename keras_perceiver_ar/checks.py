"""Sizes, numbers and inputs that make no sense, refused by name."""

import math
import numbers
import sys

import keras
import numpy as np

INPUTS = {"token_ids", "lengths", "positions"}


def check_sizes(**sizes):
    """Refuses numbers that are no sizes.

    Raises:
        ValueError: not an integer, or too small. `num_layers` may be 0.
    """
    for name, value in sizes.items():
        least = 0 if name == "num_layers" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {name}={value!r}")


def check_rates(**rates):
    """Refuses numbers that are no rates of dropout.

    Raises:
        ValueError: not a number in [0, 1).
    """
    for name, value in rates.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < 1:
            raise ValueError(f"`{name}` must lie in [0, 1). Received: {name}={value!r}")


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


def check_ids(token_ids, vocab_size):
    """Refuses ids that no table has a row for. On an accelerator they would become NaN or zeros.

    Args:
        token_ids: anything. Looked at if it is an array or a list: to read a tensor would wait for
            the device, and one that is being traced cannot be read.
        vocab_size: int. V.

    Raises:
        ValueError: names an id.
    """
    if not isinstance(token_ids, (np.ndarray, list, tuple)):
        return
    values = np.asarray(token_ids)
    wrong = values[(values < 0) | (values >= vocab_size)]
    if wrong.size:
        raise ValueError(f"`token_ids` must lie in 0 … {vocab_size - 1}. Received: {wrong[0]}")


def check_labels(labels, token_ids):
    """Refuses labels that do not belong to the inputs one by one.

    Args:
        labels: (B, M) or (B, M, …).
        token_ids: (B, M).

    Raises:
        ValueError: another number of them.
    """
    shape, wanted = tuple(np.shape(labels)), tuple(np.shape(token_ids))
    pairs = zip(shape[:2], wanted, strict=False)
    if len(shape) < 2 or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            "`labels` must hold one label for each input, the input that comes after it: shape "
            f"{wanted}. Received: shape {shape}"
        )


def check_input_names(inputs):
    """Refuses inputs that no model reads, a misspelt name for instance.

    Args:
        inputs: dict.

    Raises:
        ValueError: names those that came.
    """
    if "token_ids" not in inputs or inputs.keys() - INPUTS:
        raise ValueError(
            "`inputs` must hold `token_ids` and may hold `lengths` and `positions`, nothing else. "
            f"Received: {sorted(inputs)}"
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
    check_input_names(inputs)
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
    if "float" in str(getattr(inputs["token_ids"], "dtype", "")) and not _is_mean_of_replicas():
        raise ValueError(
            f"`token_ids` must be integers. Received: dtype {inputs['token_ids'].dtype}"
        )
    if inputs.get("lengths") is not None:
        given = np.shape(inputs["lengths"])
        if len(given) != 1 or (None not in (given[0], shape[0]) and given[0] != shape[0]):
            raise ValueError(
                f"`lengths` must have the shape (B,), a number for each row of `token_ids`. "
                f"Received: shape {tuple(given)}, token_ids {tuple(shape)}"
            )
    if inputs.get("positions") is None:
        return
    given = np.shape(inputs["positions"])
    dimensions = given[2] if len(given) == 3 else 1
    fits = len(given) in (2, 3) and dimensions == num_index_dimensions
    pairs = zip(given[:2], shape, strict=False)
    if not fits or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            "`positions` must have the shape (B, M) or (B, M, P) with the M of `token_ids` and "
            f"P = {num_index_dimensions}. Received: shape {tuple(given)}, token_ids {tuple(shape)}"
        )


def _is_mean_of_replicas():
    """Whether Keras' `fit` is being built: on the mean of the replicas' batches, so on floats."""
    if keras.backend.backend() != "tensorflow":
        return False
    # As Keras has imported it: what is here needs nothing but Keras and NumPy.
    return sys.modules["tensorflow"].distribute.in_cross_replica_context()


def check_rematerialize(rematerialize, num_layers):
    """Refuses what says of no block whether it is computed again.

    Raises:
        ValueError: neither a flag nor numbers of blocks.
    """
    several = isinstance(rematerialize, (tuple, list))
    if isinstance(rematerialize, bool) or (
        several and all(layer in range(num_layers) for layer in rematerialize)
    ):
        return
    raise ValueError(
        f"`rematerialize` must be True, False or latent blocks from 0 to {num_layers - 1}. "
        f"Received: rematerialize={rematerialize!r}"
    )


def check_kind(kind, **values):
    """Refuses what is no object of a class, its name without brackets for instance.

    Args:
        kind: class.
        **values: objects, or None, under their names.

    Raises:
        ValueError: names the argument.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"`{name}` must be a {kind.__name__}(…). Received: {name}={value!r}")


def check_numbers(least=0, below=math.inf, above=False, **values):
    """Refuses what is not a finite number in a range.

    Args:
        least: float.
        below: float. Every number must be less than this.
        above: bool. Whether `least` itself is refused.
        **values: numbers under their names.

    Raises:
        ValueError: names the argument.
    """
    for name, value in values.items():
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        low = is_number and (value <= least if above else value < least)
        if not is_number or low or not value < below:
            end = "" if below == math.inf else f" and < {below}"
            raise ValueError(
                f"`{name}` must be a finite number {'>' if above else '≥'} {least}{end}. "
                f"Received: {name}={value!r}"
            )


def check_steps(least=0, **values):
    """Refuses what is no number of steps.

    Args:
        least: int.
        **values: numbers under their names.

    Raises:
        ValueError: not an integer, or too small.
    """
    for name, value in values.items():
        is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not is_integer or value < least:
            raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {name}={value!r}")


def check_flags(**values):
    """Refuses what is neither True nor False.

    Raises:
        ValueError: names the argument.
    """
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
