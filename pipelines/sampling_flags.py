"""Flags that say how tokens are drawn, alike in every command that has them. No TensorFlow."""

import argparse

_SEED = "seed"
# Type, what it is where it is not given, and what to say of it.
_FLAGS = {
    "temperature": (float, 1.0, "0 is greedy"),
    "top_p": (float, 0.95, "1 draws from all tokens"),
    "top_k": (int, 0, "likeliest tokens; 0 is all"),
    "min_p": (float, 0.0, "tokens at least this share as likely as the likeliest; 0 is all"),
    "typical_p": (
        float,
        1.0,
        "of the tokens that surprise about as much as is to be expected, those that hold this "
        "probability; 1 is all",
    ),
    "repetition_penalty": (
        float,
        1.0,
        "above 1 makes tokens less likely that are there already; 1 does nothing",
    ),
    _SEED: (int, 0, "the same one draws the same; another, something else"),
}
# Those of `keras_perceiver_ar.generation.Sampler`.
SAMPLER = tuple(name for name in _FLAGS if name != _SEED)


def add(flags, names=tuple(_FLAGS), note=""):
    """Adds flags to a parser.

    Args:
        flags: argparse.ArgumentParser.
        names: iterable of str. Of the flags.
        note: str. What to say of each before the rest.
    """
    for name in names:
        kind, default, what = _FLAGS[name]
        # No default of the parser: who was given nothing could not be told from who was given it.
        what = f"{note}{what} (default: {default})"
        flags.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, help=what)


def read(flags, names=tuple(_FLAGS)):
    """Values of flags by name, what they are where they were not given included.

    Args:
        flags: argparse.Namespace.
        names: sequence of str.
    """
    return {name: getattr(flags, name, _FLAGS[name][1]) for name in names}


def given(flags):
    """Names of the flags that were given, whatever their values."""
    return [name for name in _FLAGS if hasattr(flags, name)]
