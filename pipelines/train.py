"""python -m pipelines.train: trains a model from gin files, and goes on where it stopped."""

import argparse

from pipelines import command_line

MODES = ("train", "train_and_evaluate", "evaluate_continuously")


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.

    Returns:
        int, the exit status: 0 when all steps are done, 128 + signal when interrupted and saved.
    """
    flags = command_line.parser("pipelines.train", __doc__)
    command_line.add_gin_flags(flags, required=True)
    command_line.add_model_dir(flags, "for checkpoints and logs, local or gs://")
    flags.add_argument(
        "--mode",
        choices=MODES,
        default="train",
        help="train, evaluate as well at intervals, or evaluate what another process trains",
    )
    flags.add_argument(
        "--profile",
        type=_steps,
        metavar="START:STOP",
        help="write a TensorBoard profile of the steps after START, up to STOP",
    )
    flags.add_argument(
        "--dry_run",
        action="store_true",
        help="print the resolved configuration, parameters, tokens and FLOPs of a step, and stop",
    )
    flags = flags.parse_args(arguments)

    # After the flags: a wrong one should not have to wait for TensorFlow.
    from pipelines import configuration
    from pipelines.estimator import Estimator

    configuration.parse(flags.gin_file, flags.gin_bindings)
    if flags.dry_run:
        from pipelines.training.dry_run import dry_run

        return dry_run(flags.model_dir, flags.gin_bindings)
    estimator = Estimator.from_gin(flags.model_dir, flags.gin_bindings)
    if flags.mode == "evaluate_continuously":
        estimator.evaluate_continuously()
        return 0
    if flags.mode == "train":
        return estimator.train(profile=flags.profile)
    return estimator.train_and_evaluate(profile=flags.profile)


def _steps(text):
    """A pair of steps, the second one later."""
    start, separator, stop = text.partition(":")
    if separator and start.isdecimal() and stop.isdecimal() and int(start) < int(stop):
        return int(start), int(stop)
    raise argparse.ArgumentTypeError(f"must be START:STOP with START < STOP, got {text!r}")


if __name__ == "__main__":
    command_line.run(main)
