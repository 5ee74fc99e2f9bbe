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

    from pipelines import configuration
    from pipelines.estimator import Estimator

    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    estimator = Estimator.from_gin(flags.model_dir, flags.gin_bindings, exporter=export_run)
    step, path, signatures = estimator.export_saved_model(flags.output, flags.checkpoint)
    print(f"step {step} of {flags.model_dir} is now {path}, with {', '.join(signatures)}")


def export_run(run, output, step=None):
    """Writes a checkpoint of a run as the next version of a SavedModel: an estimator's exporter.

    Args:
        run: `pipelines.training.run.Run`.
        output: str. Directory of the model's versions.
        step: int or None. None is the newest checkpoint.

    Returns:
        int, the step; str, the path of the version; list of str, its signatures.

    Raises:
        UserError: no such checkpoint, or a directory that cannot be written.
    """
    from pipelines import checkpoints
    from savedmodels.writer import write_version

    # Outside of any strategy: a server has none.
    model = run.experiment.make_model()
    run.check_used()
    step = checkpoints.restore_weights(run.model_dir, model, step)
    task = run.experiment.task
    positions = getattr(task, "positions", None)
    return step, *write_version(model, output, _text_codec(task), positions)


def _text_codec(task):
    """What the ids of a task are of a text; None if they are none."""
    model = getattr(task, "sentencepiece_model", None)
    if model is not None:
        from savedmodels.piece_text import PieceText

        return PieceText(model)
    from savedmodels.byte_text import ByteText

    return ByteText() if task.is_text else None


if __name__ == "__main__":
    command_line.run(main)
