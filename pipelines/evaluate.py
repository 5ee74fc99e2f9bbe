"""python -m pipelines.evaluate: measures checkpoints on a split, or on a part of it."""

import argparse
import os
import sys

from pipelines import command_line
from pipelines.errors import UserError

_ALL = "all"


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.evaluate", __doc__)
    command_line.add_model_dir(flags, "of a training run, local or gs://")
    flags.add_argument(
        "--checkpoint",
        type=_integers(0, words=(_ALL,)),
        metavar="STEP[,STEP…]",
        help="step, several of them, or all that are there; the newest if left out",
    )
    flags.add_argument("--split", default="validation", help="train, validation or test")
    flags.add_argument(
        "--num_latents",
        type=_integers(),
        metavar="N[,N…]",
        help="other than in training; several make a sweep",
    )
    flags.add_argument(
        "--context",
        type=_integers(),
        metavar="M[,M…]",
        help="inputs of a row, fewer than the model takes; several make a sweep",
    )
    flags.add_argument(
        "--stride",
        type=_integers(),
        metavar="S[,S…]",
        help="targets scored in a row, by its last latents; 1 is evaluation of every position, as "
        "many as latents is that of blocks, and what is done if it is left out",
    )
    flags.add_argument("--batch_size", type=int, help="rows at once; as in training if left out")
    flags.add_argument(
        "--batches",
        type=_batches,
        metavar="NUMBER",
        help="evaluate the first so many alone, or all; as in training if left out",
    )
    flags.add_argument(
        "--output", type=command_line.path, help="file for the figures as JSON, beside the table"
    )
    flags.add_argument(
        "--picture",
        type=command_line.path,
        help="file (.png or .svg) for the loss by place, or for the curves of several",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)

    from pipelines import configuration
    from pipelines.estimator import Estimator
    from pipelines.evaluation import picture, report

    if flags.picture:
        picture.check(flags.picture)
    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    estimator = Estimator.from_gin(flags.model_dir, flags.gin_bindings)
    if estimator.is_chief:  # who alone writes
        _check_files(flags.output, flags.picture)
    sweep = (flags.checkpoint, flags.num_latents, flags.context, flags.stride)
    done = []

    def on_result(result):
        # An interruption leaves what was measured until then.
        done.append(result)
        _say(result)
        if flags.output:
            report.write(done, flags.output, is_one=False, is_complete=False)

    is_one = all(axis is None or (axis != _ALL and len(axis) == 1) for axis in sweep)
    results = estimator.measure(
        flags.checkpoint or (None,),
        flags.split,
        num_latents=flags.num_latents or (),
        contexts=flags.context or (),
        strides=flags.stride or (),
        batch_size=flags.batch_size,
        num_batches=flags.batches,
        on_result=None if is_one or not estimator.is_chief else on_result,
    )
    if estimator.is_chief:
        report.print_one(results[0]) if is_one else report.print_several(results)
        if flags.output:
            report.write(results, flags.output, is_one)
        if flags.picture:
            name = os.path.basename(os.path.normpath(flags.model_dir))
            picture.draw(results, flags.picture, name, is_one)


def _check_files(output, picture):
    """Refuses files that could not be written, before anything is measured."""
    from pipelines.atomic_files import check_place

    given = {"--output": output, "--picture": picture}
    for flag, path in given.items():
        if path:
            check_place(flag, path)
    if output and picture and os.path.realpath(output) == os.path.realpath(picture):
        raise UserError(f"--output and --picture are both {output!r}: give each a file of its own")


def _say(result):
    from pipelines.evaluation import report

    print(report.line_of(result), file=sys.stderr, flush=True)


def _integers(least=None, words=()):
    """A flag's type: integers with commas between, each once, or one of some words."""

    def read(text):
        if text in words:
            return text
        try:
            values = [int(part) for part in text.split(",")]
        except ValueError:
            values = []
        if not values or (least is not None and min(values) < least):
            wanted = " or ".join(["integers with commas between", *words])
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"names a number twice: {text!r}")
        return values

    return read


def _batches(text):
    if text == _ALL:
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer ≥ 1 or all, got {text!r}")
    return int(text)


if __name__ == "__main__":
    command_line.run(main)
