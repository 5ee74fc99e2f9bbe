"""python -m savedmodels.trained: the model that an experiment trains, exported, with a card."""

import os
import pathlib
import shlex
import sys

from pipelines import command_line

# The experiment that trains the model of each kind.
EXPERIMENTS = {
    "copy": "copy",
    "books": "latents_books",
    "images": "orders",
    "piano": "piano",
}


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    from pipelines.experiment import catalogue

    arguments = sys.argv[1:] if arguments is None else arguments
    flags = command_line.parser("savedmodels.trained", __doc__)
    flags.add_argument("kind", choices=EXPERIMENTS, help="of the model")
    flags.add_argument(
        "--size", choices=catalogue.SIZES, default="cpu", help="as for pipelines.experiment"
    )
    flags.add_argument(
        "--experiment",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="--output of pipelines.experiment; what is missing there is trained now",
    )
    flags.add_argument(
        "--output",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="directory of the model's versions, and of its card, README.md",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)
    name = EXPERIMENTS[flags.kind]
    experiment = catalogue.make(name, flags.size, flags.gin_file, flags.gin_bindings)

    from pipelines.experiment import ownership
    from pipelines.experiment.__main__ import make_folder, say
    from savedmodels import card, sizes
    from savedmodels.writer import write_version

    path = make_folder(flags.experiment) / name
    with ownership.owned(path, experiment):
        rows = experiment.run(path, say).rows
        model, history = experiment.trained(path, say)
    data = getattr(getattr(experiment, "models", None), "data", None)
    written, signatures = write_version(model, flags.output, *_rules(data))
    command = shlex.join(["python", "-m", "savedmodels.trained", *map(str, arguments)])
    output = pathlib.Path(flags.output)
    card.write(output, flags.kind, name, model, history, rows, data, signatures, command)
    print(f"the model of {flags.kind} is now {written}, with {', '.join(signatures)}")
    print("\n".join(sizes.report(written)))
    print(f"its card is {os.path.join(flags.output, card.FILE)}")


def _rules(data):
    """What `write_version` asks of a set's ids: the text that they are, positions and masks."""
    if data is None:
        return None, None, ()
    from pipelines.data.codecs import make_codec
    from pipelines.experiment import npy_set
    from savedmodels.export import text_codec

    codec = make_codec(npy_set.load(data).codec, data)
    return text_codec(codec), codec.positions, codec.masks


if __name__ == "__main__":
    command_line.run(main)
