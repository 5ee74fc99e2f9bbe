"""How far a generation is, for the person who waits for it."""

import datetime
import sys
import time

import tensorflow as tf


class GenerationProgress:
    """Says on standard error every few seconds how many tokens of a row are drawn.

    Of what is done within the first of these intervals it says nothing.

    Args:
        start: int. Tokens of the prompt.
        total: int. Tokens to draw at most.
        interval: float. Seconds between two lines.
        clock: function that returns seconds.
    """

    def __init__(self, start, total, interval=5.0, clock=time.monotonic):
        self._start, self._total, self._interval, self._clock = start, total, interval, clock
        self._drawn = 0
        self._began = self._said = None
        self._has_spoken = False

    def on_step(self, lengths, drawn):
        """For `PerceiverARCausalLM.generate`, in its graph: lengths int32 (1,) → the same."""
        del drawn
        told = tf.numpy_function(self.see, [lengths], [])
        with tf.control_dependencies([told]):
            return tf.identity(lengths)

    def see(self, lengths):
        """Called on the host after every token: int32 (1,)."""
        now, self._drawn = self._clock(), int(lengths[0]) - self._start
        if self._began is None:  # everything before the second token is compiling and reading
            self._began = self._said = now
        elif now - self._said >= self._interval:
            self._said, self._has_spoken = now, True
            rate = self._rate(now)
            left = datetime.timedelta(seconds=round((self._total - self._drawn) / rate))
            print(
                f"drew {self._drawn:,} of {self._total:,} tokens, {rate:.1f} tokens/s, {left} left",
                file=sys.stderr,
            )

    def end(self):
        """The last line, where there was one before."""
        if self._has_spoken:
            now = self._clock()
            seconds = datetime.timedelta(seconds=round(now - self._began))
            print(
                f"drew {self._drawn:,} tokens in {seconds}, {self._rate(now):.1f} tokens/s",
                file=sys.stderr,
            )

    def _rate(self, now):
        return (self._drawn - 1) / max(now - self._began, 1e-9)
