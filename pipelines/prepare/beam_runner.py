"""Apache Beam as what writes shards: each is a piece of work of its own.

Beam spreads the shards over whatever its runner has, threads here or machines elsewhere, and takes
care of failures. No document travels between workers: each reads the files of its own shard.
"""

import contextlib
import os
import threading
import time

import apache_beam as beam
import rich.console
import rich.progress
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.command_line import one_line, parser
from pipelines.errors import UserError
from pipelines.prepare import job, shard_writer

# Threads, as many as there are processors.
_LOCAL = ("--direct_num_workers=0", "--direct_running_mode=multi_threading")
_REPORT_SECONDS = 10.0
_THIS_MACHINE = "localhost,127.0.0.1"


def check_flags(flags):
    """Refuses what Beam would pass over in silence.

    Args:
        flags: list of str.

    Raises:
        UserError: a flag of no runner.
    """
    known = parser("pipelines.prepare", None)
    for options in (PipelineOptions, *PipelineOptions.__subclasses__()):
        options._add_argparse_args(known)
    _, unknown = known.parse_known_args(flags)
    if unknown:
        raise UserError(f"unknown flag {unknown[0]} (see python -m pipelines.prepare --help)")


def write_all(plans, encoder, flags=()):
    """Writes shards side by side, with a bar on standard error.

    Args:
        plans: list of `Plan`.
        encoder: see `encoders`; it is pickled.
        flags: list of str, of Beam's runner. None at all is as many threads as processors.

    Raises:
        UserError: a runner that cannot be had, or that lacks a flag.
    """
    # Beam talks to its own workers by gRPC, which would ask a proxy for this machine.
    os.environ.setdefault("no_grpc_proxy", _THIS_MACHINE)
    with (
        _Progress(plans),
        _runner_errors(flags),
        beam.Pipeline(options=PipelineOptions(list(flags) or list(_LOCAL))) as pipeline,
    ):
        _ = (
            pipeline
            | "shards" >> beam.Create(plans)
            | "spread" >> beam.Reshuffle()
            | "write" >> beam.Map(job.write, encoder)
        )


@contextlib.contextmanager
def _runner_errors(flags):
    """Runners raise whatever they like where they cannot be had or lack a flag."""
    try:
        yield
    except Exception as error:
        if not flags:  # then it is no setting of theirs
            raise
        raise UserError(
            f"the runner of {' '.join(flags)} stopped ({one_line(error)}): what is written stays "
            "for another try"
        ) from error


class _Progress:
    """Looks for finished shards while a runner works, wherever that is."""

    def __init__(self, plans):
        self._folder = plans[0].folder
        self._reports = {plan.file + shard_writer.REPORT for plan in plans}
        self._over = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _done(self):
        return self._reports & set(tf.io.gfile.listdir(self._folder))

    def _watch(self):
        console = rich.console.Console(stderr=True)
        # In a file it would be a line of 100 % at the end, before a refusal too.
        with rich.progress.Progress(console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("shards", total=len(self._reports))
            said = time.monotonic()
            while not self._over.wait(2.0):
                done = len(self._done())
                bar.update(task, completed=done)
                if not console.is_terminal and time.monotonic() - said >= _REPORT_SECONDS:
                    said = time.monotonic()
                    console.print(f"wrote {done:,} of {len(self._reports):,} shards")
            bar.update(task, completed=len(self._done()))
