"""python -m pipelines.train: trains a model from gin files, and goes on where it stopped."""

from pipelines import command_line

MODES = ("train", "train_and_evaluate")


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
    flags.add_argument("--mode", choices=MODES, default="train", help="whether to evaluate as well")
    flags.add_argument(
        "--dry_run",
        action="store_true",
        help="print the resolved configuration, parameters, tokens and FLOPs of a step, and stop",
    )
    flags = flags.parse_args(arguments)

    # After the flags: a wrong one should not have to wait for TensorFlow.
    from pipelines import configuration
    from pipelines.training import loop

    configuration.parse(flags.gin_file, flags.gin_bindings)
    if flags.dry_run:
        from pipelines.training.dry_run import dry_run

        return dry_run(flags.model_dir, flags.gin_bindings)
    evaluates = flags.mode == "train_and_evaluate"
    return loop.train(flags.model_dir, evaluates, flags.gin_bindings)


if __name__ == "__main__":
    command_line.run(main)
