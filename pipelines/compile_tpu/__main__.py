"""python -m pipelines.compile_tpu: compiles a run's step for a TPU slice, without a TPU.

TensorFlow's TPU kernels and the TPU compiler are installed when they are first needed, into two
environments beside .venv. Nothing is run: what comes out is whether the step compiles, the memory
that it takes on each device, its operations and its exchanges between devices.
"""

import json
import os
import pathlib
import sys
import tempfile

from pipelines import command_line
from pipelines.compile_tpu import environments, processes, report
from pipelines.compile_tpu.flags import add_step_flags
from pipelines.compile_tpu.topologies import num_devices, topology
from pipelines.errors import RunError

_HERE = pathlib.Path(__file__).resolve().parent


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.

    Raises:
        RunError: the step does not fit, or an environment cannot be made.
    """
    flags = command_line.parser("pipelines.compile_tpu", __doc__.split("\n\n")[0])
    add_step_flags(flags)
    flags.add_argument(
        "--topology",
        required=True,
        type=topology,
        metavar="NAME",
        help="slice, such as v5e:16x16 or v5p:4x4x8",
    )
    flags.add_argument(
        "--output",
        type=command_line.path,
        metavar="FILE",
        help="file to which the figures are added, as a line of JSON",
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    flags = flags.parse_args(arguments)
    environments.make_all()
    with tempfile.TemporaryDirectory(prefix="compile_tpu-") as folder:
        module, facts = (str(pathlib.Path(folder, name)) for name in ("module.hlo.pb", "facts"))
        _lower(flags, module, facts)
        facts_read = json.loads(pathlib.Path(facts).read_text())
        print(
            f"compiling {flags.step} for {flags.topology}: {facts_read['rows']:,} rows on each of "
            f"{num_devices(flags.topology):,} devices",
            file=sys.stderr,
        )
        compiled = _compile(flags, module, facts)
    del facts_read["donated"]
    run = {"run": [pathlib.Path(file).stem for file in flags.gin_file]}
    run |= {"bindings": flags.gin_bindings, "topology": flags.topology}
    record = run | facts_read | compiled
    if flags.output:
        with command_line.user_errors(OSError), open(flags.output, "a") as file:
            file.write(json.dumps(record) + "\n")
    if "refused" in record:
        raise RunError(f"does not fit {flags.topology}: {record['refused']}")
    report.show(record)


def _lower(flags, module, facts):
    command = [environments.LOWER.python, "-m", "pipelines.compile_tpu.lower"]
    command += [f"--gin_file={file}" for file in flags.gin_file]
    command += [f"--gin_bindings={binding}" for binding in flags.gin_bindings]
    command += [f"--step={flags.step}", f"--decode_rows={flags.decode_rows}"]
    if flags.vocab_size:
        command.append(f"--vocab_size={flags.vocab_size}")
    command += [f"--replicas={num_devices(flags.topology)}", f"--module={module}"]
    # Gin files are looked up from where the user is; the modules lie here.
    path = [str(environments.REPOSITORY), os.environ.get("PYTHONPATH")]
    processes.call(
        [*command, f"--facts={facts}"],
        "lowering with TensorFlow's TPU kernels",
        KERAS_BACKEND="tensorflow",
        PYTHONPATH=os.pathsep.join(filter(None, path)),
    )


def _compile(flags, module, facts):
    script = str(_HERE / "compile.py")
    command = [environments.COMPILE.python, script, module, facts, flags.topology]
    return json.loads(processes.call(command, "compiling"))


if __name__ == "__main__":
    command_line.run(main)
