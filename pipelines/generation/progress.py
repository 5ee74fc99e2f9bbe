"""How far a generation is, for the person who waits for it."""

import datetime
import sys
import time

import numpy as np
import rich.console
import rich.progress


class GenerationProgress:
    """Says on standard error how many tokens are drawn, and in the end how long all of it took.

    A context manager. On the way it is a bar in a terminal, and elsewhere a line every few seconds,
    so none at all of what is done within the first of them.

    Args:
        total: int. Tokens to draw at most, of all rows.
        is_shown: bool. Whether to say anything on the way: not beside text that is being written.
        verb: str. What is done with tokens.
        interval: float. Seconds between two lines.
        clock: function that returns seconds as `time.time` does.
    """

    def __init__(self, total, is_shown=True, verb="drew", interval=5.0, clock=time.time):
        self._verb = verb
        self._total, self._is_shown, self._interval, self._clock = total, is_shown, interval, clock
        self._drawn = self._past = self._after_first = self._prompt_tokens = 0
        self._said = None
        self._compiling = self._reading = self._drawing = 0.0
        console = rich.console.Console(stderr=True)
        self._is_bar = is_shown and console.is_terminal
        self._bar = rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(),
            rich.progress.TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not self._is_bar,
        )

    def __enter__(self):
        self._bar.start()
        self._task = self._bar.add_task("tokens", total=self._total, rate="")
        return self

    def __exit__(self, *_):
        self._bar.stop()

    def begin(self, prompt_tokens, num_rows, most):
        """A batch is handed to the model.

        Args:
            prompt_tokens: int. Of all its prompts.
            num_rows: int. Rows that count; those behind them fill the batch up.
            most: int. Tokens that its rows draw at most, all together.
        """
        self._prompt_tokens += prompt_tokens
        self._num_rows, self._past = num_rows, self._past + most
        self._handed, self._last = self._clock(), None

    def see(self, lengths, drawn, began):
        """One step of the batch, as `StepWatch` tells of it."""
        del lengths
        now, number = self._clock(), int(np.count_nonzero(drawn[: self._num_rows]))
        self._drawn += number
        if self._last is None:  # what came before the first token is compiling and reading
            self._compiling += max(began - self._handed, 0.0)
            self._reading += now - began
            self._said = self._said or now  # batches may be shorter than the time between two lines
        else:
            self._after_first += number
            self._drawing += now - self._last
        self._last = now
        if self._is_bar:
            self._bar.update(self._task, completed=self._drawn, rate=self._rate())
        elif self._is_shown and self._drawing and now - self._said >= self._interval:
            self._said = now
            left = (self._total - self._drawn) * self._drawing / max(self._after_first, 1)
            left = datetime.timedelta(seconds=round(left))
            part = f"{self._drawn:,} of {self._total:,} tokens"
            print(f"{self._verb} {part}, {self._rate()}, {left} left", file=sys.stderr)

    def end_batch(self):
        """The batch is done; rows that ended early draw nothing any more."""
        self._total -= self._past - self._drawn
        self._past = self._drawn
        self._bar.update(self._task, total=self._total, completed=self._drawn)

    def end(self):
        """The last line."""
        rate = f" ({self._rate()})" if self._after_first else ""
        prompts = f"{self._prompt_tokens:,} tokens of prompts"
        print(
            f"{self._verb} {self._drawn:,} tokens in {self._drawing:.1f} s{rate}; before them, "
            f"reading {prompts} took {self._reading:.2f} s, and compiling {self._compiling:.1f} s",
            file=sys.stderr,
        )

    def _rate(self):
        return f"{self._after_first / max(self._drawing, 1e-9):.1f} tokens/s"
