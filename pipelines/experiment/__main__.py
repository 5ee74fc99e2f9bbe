"""python -m pipelines.experiment: one of the paper's claims, measured, drawn and told."""

import pathlib
import sys

from pipelines import command_line
from pipelines.errors import UserError

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SIZES = ("cpu", "h200")


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    from pipelines.experiment import catalogue

    flags = command_line.parser("pipelines.experiment", __doc__)
    flags.add_argument("name", choices=catalogue.NAMES, help="of the experiment")
    flags.add_argument(
        "--size",
        choices=SIZES,
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
    output = pathlib.Path(flags.output)
    with command_line.user_errors(OSError):
        output.mkdir(parents=True, exist_ok=True)
    file = REPOSITORY / "gin" / "runs" / "experiments" / f"{flags.name}_{flags.size}.gin"
    experiment = catalogue.make(flags.name, [str(file), *flags.gin_file], flags.gin_bindings)
    if flags.show and not hasattr(experiment, "show"):
        raise UserError(f"the experiment {flags.name} draws no samples: leave --show out")

    def say(line):
        print(line, file=sys.stderr, flush=True)

    table = experiment.run(output / flags.name, say)
    print(f"wrote {table.path}, {len(table.rows)} rows")
    if flags.show:
        experiment.show(output / flags.name, say)


if __name__ == "__main__":
    command_line.run(main)
