"""What a trained model draws, and drawn once."""

import numpy as np

import keras_perceiver_ar as kpar
from pipelines.command_line import user_errors
from pipelines.experiment.table import write_whole


def make_sampler(temperature, top_p):
    """`kpar.generation.Sampler`.

    Raises:
        UserError: a number out of range.
    """
    with user_errors(ValueError):
        return kpar.generation.Sampler(temperature=temperature, top_p=top_p)


def draw(model, prompts, num_tokens, sampler, masks, positions=None):
    """Continues rows of prompts; row r has seed r.

    Args:
        model: `PerceiverARCausalLM`.
        prompts: int32 (B, T), T ≥ 1.
        num_tokens: int. K, new tokens of each row; EOS ends a row before.
        sampler: `kpar.generation.Sampler`.
        masks: tuple of `kpar.generation.LogitMask`.
        positions: int32 (E, P), those of the events of every row, or None.

    Returns:
        int32 (B, T + K), 0 behind the end of a row.

    Raises:
        UserError: what `generate` refuses.
    """
    inputs = {"token_ids": prompts, "lengths": np.full(len(prompts), prompts.shape[1], np.int32)}
    if positions is not None:
        inputs["positions"] = np.broadcast_to(positions, (len(prompts), *positions.shape))
    with user_errors(ValueError):
        drawn = model.generate(inputs, num_tokens, sampler, masks=masks)
    return np.asarray(drawn["token_ids"], np.int32)


def kept(path, make):
    """The array of a .npy file, made and written where that is not there yet.

    Args:
        path: path.
        make: function that gives the array.

    Raises:
        UserError: the file is torn.
    """
    if not path.exists():
        array = make()
        write_whole(path, lambda new: np.save(new, array))
    with user_errors(ValueError, EOFError, hint=f" ({str(path)!r} is torn: remove it)"):
        return np.load(path)
