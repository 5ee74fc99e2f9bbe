"""python -m pipelines.evaluate: measures a checkpoint on a split, or on a part of it."""

import argparse

from pipelines import command_line


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.evaluate", __doc__)
    command_line.add_model_dir(flags, "of a training run, local or gs://")
    flags.add_argument("--checkpoint", type=int, help="step; the newest if left out")
    flags.add_argument("--split", default="validation", help="train, validation or test")
    flags.add_argument("--num_latents", type=int, help="other than in training")
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
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)

    from pipelines import configuration
    from pipelines.estimator import Estimator
    from pipelines.training import evaluation

    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    results = Estimator.from_gin(flags.model_dir, flags.gin_bindings).evaluate(
        flags.split,
        flags.checkpoint,
        num_latents=flags.num_latents,
        batch_size=flags.batch_size,
        num_batches=flags.batches,
    )
    evaluation.report(results, flags.output)


def _batches(text):
    if text == "all":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer ≥ 1 or all, got {text!r}")
    return int(text)


if __name__ == "__main__":
    command_line.run(main)
