"""Texts on standard output, and in a file."""

from pipelines.atomic_files import write_text
from pipelines.generation.output import Output
from pipelines.generation.text_stream import TextStream


class TextOutput(Output):
    """Prompts and their continuations, one below the other.

    Of each batch the first one appears as it is written, unless it is searched for. What has been
    written when Ctrl-C or SIGTERM comes stays, in the file as well.

    Args:
        decode: function of a list of ids that returns their text; see `TextStream`.
        num_rows: int. If there are several, a line before each says which it is.
        path: str or None. File that gets the same.
    """

    def __init__(self, decode, num_rows, path=None):
        self._decode, self._num_rows, self._path = decode, num_rows, path
        self._written = []
        self._stream = self._gone = None
        self._number = 0

    def __exit__(self, kind, error, trace):
        if isinstance(error, KeyboardInterrupt) and self._stream is not None:
            self._end_row()
        is_over = error is None or isinstance(error, KeyboardInterrupt)
        if self._path and self._written and is_over:
            write_text(self._path, "".join(self._written))
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
        self._stream = None

    def _write(self, text):
        if not text:
            return
        self._written.append(text)
        if self._gone is None:
            try:
                print(text, end="", flush=True)
            except BrokenPipeError as error:  # whoever asked for a file as well still gets that
                if self._path is None:
                    raise
                self._gone = error
