"""Flags that say which step of which run."""

from pipelines import command_line

STEPS = ("train", "evaluate", "decode")


def add_step_flags(flags):
    """Adds what both `pipelines.compile_tpu` and its `lower` take."""
    command_line.add_gin_flags(flags, required=True)
    flags.add_argument("--step", choices=STEPS, default="train", help="what is compiled")
    flags.add_argument(
        "--vocab_size",
        type=command_line.at_least(1),
        metavar="NUMBER",
        help="of the run's data, in its place: nothing is read, and DATA need not be given",
    )
    flags.add_argument(
        "--decode_rows",
        type=command_line.at_least(1),
        default=8,
        metavar="NUMBER",
        help="rows that each device generates at once",
    )
