"""What all outputs of a generation have in common."""

import sys

from pipelines.command_line import writing_to_stdout


class Output:
    """Takes what is drawn, batch after batch. A context manager around all of them."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Finishes what is written when all is drawn, if it is finished at all."""

    @staticmethod
    def say_cut(error, count, what):
        """Says on standard error what is there after a signal; nothing of any other error.

        Args:
            error: that which `__exit__` is told of.
            count: int. What was done and is written.
            what: str. What one of it is called.
        """
        if not isinstance(error, KeyboardInterrupt):
            return
        done = f"{count:,} {what}" + ("s" if count > 1 else "")
        line = f"wrote what was done: {done}" if count else f"wrote nothing: no {what} was done"
        print(line, file=sys.stderr)

    @staticmethod
    def say_written(path):
        """Says on standard output that a file is there; a RunError where that cannot be written."""
        with writing_to_stdout():
            print(f"wrote {path}")

    def begin(self, row, seed):
        """A batch begins, and this is its first row: `prompts.Row`, int."""

    def see(self, lengths, drawn, began):
        """One step of the batch, as `StepWatch` tells of it."""

    def add(self, batch):
        """A batch is done: list of `batches.Drawn`."""
        raise NotImplementedError
