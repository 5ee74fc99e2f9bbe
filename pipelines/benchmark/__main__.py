"""python -m pipelines.benchmark: how fast the model is here, as one JSON object a line.

KERAS_BACKEND chooses the backend: tensorflow, which is the default, or jax, for which keras, numpy
and jax are all that has to be installed. Figures are of one device, the first. Times are of one
step: median, least and most over the runs. `model_flops` counts by formula what the model calls
for, three times its forward pass, and only the pairs of query and key that the mask allows;
`mfu` is its share of the rate that a matrix product of the same dtype reaches in the same process.
"""

import json
import sys

from pipelines import command_line
from pipelines.benchmark import flags as benchmark_flags
from pipelines.benchmark.memory import OutOfMemory

NO_MEMORY = 3


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.

    Returns:
        int, the exit status: 0 when it was measured, 3 when the device had not enough memory.
    """
    flags = _parse(arguments)
    return flags.run(flags)


def _parse(arguments):
    parser = command_line.parser("pipelines.benchmark", __doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, run, text):
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=parser.formatter_class,
            allow_abbrev=False,
        )
        command.set_defaults(run=run)
        return command

    command = add("train_step", _train_step, "forward, backward, clip and update")
    benchmark_flags.add_workload(command)
    benchmark_flags.add_train_step(command)
    command.add_argument(
        "--trace", type=command_line.path, metavar="DIR", help="write a profile of one step there"
    )
    return parser.parse_args(arguments)


def _train_step(flags):
    from pipelines.benchmark import train_step

    workload = benchmark_flags.read_workload(flags)
    about = {
        **workload.describe(),
        "runs": flags.runs,
        "warmup": flags.warmup,
        "loop": flags.loop,
        "jit": flags.jit,
    }
    try:
        measured = train_step.measure(
            workload, flags.runs, flags.warmup, flags.loop, flags.trace, flags.jit
        )
    except OutOfMemory as error:
        _write({"command": "train_step", **about, "oom": True})
        print(f"error: out of memory: {command_line.one_line(error)[:300]}", file=sys.stderr)
        return NO_MEMORY
    _write({"command": "train_step", **about, **measured})
    return 0


def _write(record):
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    command_line.run(main)
