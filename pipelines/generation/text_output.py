"""Texts on standard output, and in a file."""

from pipelines import command_line
from pipelines.atomic_files import write_text
from pipelines.errors import RunError
from pipelines.generation.output import Output
from pipelines.generation.text_stream import TextStream


class TextOutput(Output):
    """Prompts and their continuations, one below the other.

    Of each batch the first one appears as it is written, unless it is searched for. What has been
    written when Ctrl-C or SIGTERM comes stays, in the file as well; of another error what was done.
    The file does not need standard output: that this fails is said when all is drawn.

    Args:
        decode: function of a list of ids that returns their text; see `TextStream`.
        num_rows: int. If there are several, a line before each says which it is.
        path: str or None. File that gets the same.
    """

    def __init__(self, decode, num_rows, path=None):
        self._decode, self._num_rows, self._path = decode, num_rows, path
        self._written = []
        self._stream = self._gone = None
        self._number = self._num_done = 0  # the latter of `_written`, to the end of the last row

    def __exit__(self, kind, error, trace):
        if isinstance(error, KeyboardInterrupt) and self._stream is not None:
            self._end_row()
        if self._path and self._num_done:
            write_text(self._path, "".join(self._written[: self._num_done]))
        if error is None and self._gone is not None:
            raise self._gone

    def begin(self, row, seed):
        # Its prompt waits for the first step: until then the batch may be refused.
        self._first = (row, seed)

    def see(self, lengths, drawn, began):
        del lengths, began
        if self._stream is None:
            self._begin_row(*self._first)
        if drawn[0]:
            self._write(self._stream.add(drawn[:1]))

    def add(self, batch):
        if self._stream is not None:  # as it was drawn; a search tells nothing before its end
            self._end_row()
            batch = batch[1:]
        for drawn in batch:
            self._begin_row(drawn.row, drawn.seed)
            self._write(self._stream.add(drawn.continuation))
            self._end_row()

    def _begin_row(self, row, seed):
        self._number += 1
        if self._num_rows > 1:
            of_seed = "" if seed is None else f", seed {seed}"
            self._write(f"--- {self._number} of {self._num_rows}{of_seed} ---\n")
        self._stream = TextStream(self._decode)
        self._write(self._stream.add(row.token_ids))

    def _end_row(self):
        self._write(self._stream.end() + "\n")
        self._num_done = len(self._written)
        self._stream = None

    def _write(self, text):
        if not text:
            return
        self._written.append(text)
        if self._gone is None:
            try:
                with command_line.writing_to_stdout():
                    print(text, end="", flush=True)
            except (BrokenPipeError, RunError) as error:
                if self._path is None:
                    raise
                self._gone = error  # whoever asked for a file as well still gets that
