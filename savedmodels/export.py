"""python -m savedmodels.export: writes a checkpoint as a numbered SavedModel for TF Serving."""

from pipelines import command_line


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("savedmodels.export", __doc__)
    command_line.add_model_dir(flags, "of a training run, local or gs://")
    flags.add_argument("--checkpoint", type=int, help="step; the newest if left out")
    flags.add_argument(
        "--output",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="directory of the model's versions",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)

    from pipelines import checkpoints, configuration, gin_checks
    from savedmodels.writer import write_version

    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    experiment = configuration.make(configuration.Experiment)
    model = experiment.make_model()
    gin_checks.check_used(flags.gin_bindings)
    step = checkpoints.restore_weights(flags.model_dir, model, flags.checkpoint)
    task = experiment.task
    positions = getattr(task, "positions", None)
    path, signatures = write_version(model, flags.output, task.is_text, positions)
    print(f"step {step} of {flags.model_dir} is now {path}, with {', '.join(signatures)}")


if __name__ == "__main__":
    command_line.run(main)
