"""python -m savedmodels.export: writes a checkpoint as a numbered SavedModel for TF Serving."""

import argparse
import functools

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
    flags.add_argument(
        "--stepwise",
        action="store_true",
        help="also write prefill and decode, for clients that choose each token themselves",
    )
    flags.add_argument(
        "--message_limit",
        type=_megabytes,
        default=4.0,
        metavar="MIB",
        help="the most that a row of --stepwise may take; gRPC's own limit is 4",
    )
    flags.add_argument(
        "--weights",
        choices=("bfloat16",),
        help="dtype that matrices are stored in; as they are if left out",
    )
    flags.add_argument(
        "--sampling",
        nargs="+",
        default=(),
        metavar="NAME",
        help="further inputs of generate and generate_text, which every request then has to give: "
        "top_k, min_p, typical_p, repetition_penalty",
    )
    command_line.add_slide(flags)
    flags.add_argument(
        "--max_new_tokens",
        type=command_line.at_least(1),
        metavar="TOKENS",
        help="with --slide: the most that one request may ask for; the context if left out",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)

    from pipelines import configuration
    from pipelines.estimator import Estimator
    from savedmodels import sampling_inputs, sizes

    sampling = sampling_inputs.check_names(flags.sampling)  # before a model is loaded
    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    exporter = functools.partial(
        export_run,
        stepwise=flags.stepwise,
        message_limit=flags.message_limit,
        weights=flags.weights,
        sampling=sampling,
        slide=command_line.read_slide(flags),
        most_new_tokens=flags.max_new_tokens,
    )
    estimator = Estimator.from_gin(flags.model_dir, flags.gin_bindings, exporter=exporter)
    step, path, signatures = estimator.export_saved_model(flags.output, flags.checkpoint)
    print(f"step {step} of {flags.model_dir} is now {path}, with {', '.join(signatures)}")
    print("\n".join(sizes.report(path)))


def _megabytes(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 2048:
        raise argparse.ArgumentTypeError(f"must be a number > 0 and < 2048, got {text!r}")
    return value


def export_run(run, output, step=None, **options):
    """Writes a checkpoint of a run as the next version of a SavedModel: an estimator's exporter.

    Args:
        run: `pipelines.training.run.Run`.
        output: str. Directory of the model's versions.
        step: int or None. None is the newest checkpoint.
        options: those of `writer.write_version`, from `stepwise` on.

    Returns:
        int, the step; str, the path of the version; list of str, its signatures.

    Raises:
        UserError: no such checkpoint, or a directory that cannot be written.
    """
    from savedmodels.writer import write_version

    model, step = run.load_model(step, is_told=True)
    task = run.experiment.task
    rules = (getattr(task, "positions", None), getattr(task, "masks", ()))
    return step, *write_version(model, output, text_codec(task), *rules, **options)


def text_codec(task):
    """What the ids of a task, or of a codec, are of a text; None if they are none."""
    model = getattr(task, "sentencepiece_model", None)
    if model is not None:
        from savedmodels.piece_text import PieceText

        return PieceText(model)
    from savedmodels.byte_text import ByteText

    return ByteText() if task.is_text else None


if __name__ == "__main__":
    command_line.run(main)
