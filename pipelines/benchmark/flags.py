"""Flags of the measurements."""

import argparse
import dataclasses

from pipelines import command_line
from pipelines.benchmark import workload

_CHOICES = {
    "model": workload.MODELS,
    "positions": workload.POSITIONS,
    "dtype": tuple(workload.POLICIES),
    "attention": workload.ATTENTION,
    "rematerialize": workload.REMATERIALIZE,
}
_HELP = {
    "model": "what is measured",
    "context": "inputs of a row; for transformer_xl those of a segment",
    "latents": "latents of perceiver_ar; the others predict at every input",
    "memory": "entries that transformer_xl remembers; by default as many as --context",
    "layers": "blocks, the cross-attend not counted",
    "width": "channels",
    "heads": "attention heads",
    "batch": "rows of a step",
    "vocab": "ids, the three reserved ones included",
    "positions": "how inputs know their places; transformer_xl knows distances instead",
    "dtype": "of the computation; weights and optimizer are float32 in any case",
    "dropout": "on the output of every attention and MLP",
    "attention": "how attention is computed; auto chooses by backend, device and size",
    "rematerialize": "what is computed again in the backward pass instead of kept",
}


def add_workload(parser, *without):
    """Adds a flag for each field of `Workload` but those in `without`."""
    for field in dataclasses.fields(workload.Workload):
        if field.name in without:
            continue
        kind = type(field.default) if field.default is not None else int
        parser.add_argument(
            f"--{field.name}",
            type=kind,
            default=field.default,
            choices=_CHOICES.get(field.name),
            help=_HELP[field.name],
        )


def add_timing(parser, loop=True):
    """Adds how often and how it is measured."""
    parser.add_argument("--runs", type=at_least(1), default=8, help="timed runs")
    parser.add_argument("--warmup", type=at_least(1), default=3, help="steps before the first run")
    if loop:
        parser.add_argument(
            "--loop",
            type=at_least(1),
            default=4,
            help="steps of a timed run, started one after the other and waited for together, so "
            "that the host works ahead of the device as it does in training",
        )


def add_train_step(parser):
    """Adds what a measured train step takes besides its model."""
    add_timing(parser)
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the step by XLA (TensorFlow; JAX always does)",
    )


def at_least(least):
    """A flag's type: integers from `least` on."""

    def integer(text):
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be an integer ≥ {least}, got {text!r}")
        return value

    return integer


def folder(text):
    """A flag's type: a folder that is there or can be made."""
    return command_line.path(text)


def read_workload(namespace):
    """The `Workload` of parsed flags; fields that have no flag keep their default."""
    names = [field.name for field in dataclasses.fields(workload.Workload)]
    given = {name: getattr(namespace, name) for name in names if hasattr(namespace, name)}
    return workload.Workload(**given)
