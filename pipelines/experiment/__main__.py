"""python -m pipelines.experiment: one of the paper's claims, measured, drawn and told."""

import pathlib
import sys

from pipelines import command_line
from pipelines.errors import UserError

COMPILED = "compiled"  # folder in --output


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    from pipelines.experiment import catalogue, devices, ownership

    flags = command_line.parser("pipelines.experiment", __doc__)
    flags.add_argument("name", choices=catalogue.NAMES, help="of the experiment")
    flags.add_argument(
        "--size",
        choices=catalogue.SIZES,
        default="cpu",
        help="whose settings, gin/runs/experiments/NAME_SIZE.gin: minutes on two cores, or at most "
        "ten on an H200 (KERAS_BACKEND=jax)",
    )
    flags.add_argument(
        "--output",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="folder for the table NAME.csv and the weights; what lies there is gone on with",
    )
    flags.add_argument(
        "--show",
        action="store_true",
        help="then also make pictures and sound of what the models drew; of orders and piano, "
        "where matplotlib is, and for sound the rest of what pipelines.prepare needs",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)
    output = make_folder(flags.output)
    experiment = catalogue.make(flags.name, flags.size, flags.gin_file, flags.gin_bindings)
    if flags.show and not hasattr(experiment, "show"):
        raise UserError(f"the experiment {flags.name} draws no samples: leave --show out")

    devices.keep_compiled(output / COMPILED)
    path = output / flags.name
    with ownership.owned(path, experiment):
        table = experiment.run(path, say)
        print(f"wrote {table.path}, {len(table.rows)} rows")
        if flags.show:
            experiment.show(path, say)


def make_folder(name):
    """The folder of an experiment, made where it is not yet there.

    Raises:
        UserError: it cannot be.
    """
    folder = pathlib.Path(name)
    with command_line.user_errors(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(line):
    """Tells on standard error how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command_line.run(main)
