"""What all outputs of a generation have in common."""


class Output:
    """Takes what is drawn, batch after batch. A context manager around all of them."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Finishes what is written when all is drawn, if it is finished at all."""

    def begin(self, row, seed):
        """A batch begins, and this is its first row: `prompts.Row`, int."""

    def see(self, lengths, drawn, began):
        """One step of the batch, as `StepWatch` tells of it."""

    def add(self, batch):
        """A batch is done: list of `batches.Drawn`."""
        raise NotImplementedError
