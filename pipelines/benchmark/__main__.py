"""python -m pipelines.benchmark: how fast the model is here, as one JSON object a line.

KERAS_BACKEND chooses the backend: tensorflow, which is the default, or jax, for which keras, numpy
and jax are all that has to be installed. Figures are of one device, the first.

train_step: times are of one step, median, least and most over the runs. `model_flops` counts by
formula what the model calls for, three times its forward pass, and only the pairs of query and key
that the mask allows; `mfu` is its share of the rate that the fastest of some matrix products of the
same dtype reached in the same process (`matmul_tflops`; on a CPU that others use too, both wander).
`temp_bytes` is what the program needs besides its arguments, `peak_bytes` the most that the device
held, or the process where the device is a CPU.

input_pipeline: of shards also how fast they are read: by the pipeline's own reader, by bare
`tf.io.gfile` reads in as many threads, and by such reads one after the other.

runtime: `median_ms` is of a step of `pipelines.train` with a checkpoint and a summary in each timed
run, `bare_ms` of a compiled step alone, taken in turn; TensorFlow only.

Exit status: 0 measured; 1 a point of a sweep failed; 2 bad input; 3 not enough memory.
"""

import argparse

from pipelines import command_line
from pipelines.benchmark import commands, flags

_COMMANDS = {
    "train_step": "forward, backward, clip and update",
    "decode": "prefill of a prompt, and each token after it",
    "input_pipeline": "batches of a task, TensorFlow only",
    "runtime": "steps of a whole run, logs and checkpoints included, beside bare ones",
    "sweep": "train_step of three models against context and depth: a table and a chart",
    "export_hlo": "train_step as TensorFlow traces it, in a file for XLA elsewhere",
    "chart": "draws the chart of a sweep anew, or elsewhere",
}


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.

    Returns:
        int, the exit status.
    """
    parser = command_line.parser("pipelines.benchmark", __doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = subparsers.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        getattr(flags, f"add_{name}")(command)
        command.set_defaults(run=getattr(commands, name))
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


if __name__ == "__main__":
    command_line.run(main)
