"""python -m pipelines.compile_tpu.lower: a step of a run as TensorFlow lowers it for TPUs.

Runs in the environment of requirements-tpu.txt; `pipelines.compile_tpu` calls it.
"""

import json
import pathlib

from pipelines import command_line
from pipelines.compile_tpu import flags as flags_lib


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.compile_tpu.lower", __doc__)
    flags_lib.add_step_flags(flags)
    flags.add_argument("--replicas", type=int, required=True)
    flags.add_argument("--module", required=True, help="file for what TensorFlow hands to XLA")
    flags.add_argument("--facts", required=True, help="file for what is known about it")
    flags = flags.parse_args(arguments)

    from pipelines.compile_tpu import lowering

    hlo, facts = lowering.lower(flags, flags.replicas)
    pathlib.Path(flags.module).write_bytes(hlo)
    pathlib.Path(flags.facts).write_text(json.dumps(facts))


if __name__ == "__main__":
    command_line.run(main)
