"""A profile of some steps, for TensorBoard."""

import tensorflow as tf

from pipelines.errors import UserError


def check_steps(steps):
    """Refuses what is no pair of steps (start, stop); None will do.

    Raises:
        UserError: it is none.
    """
    if steps is None:
        return
    try:
        start, stop = steps
        fits = 0 <= start < stop
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise UserError(f"profile must be a pair of steps (start, stop), got {steps!r}")


class Profile:
    """Starts and stops the profiler between loops.

    Args:
        model_dir: str.
        steps: pair of int (start, stop), or None for no profile.
    """

    def __init__(self, model_dir, steps):
        self._folder = model_dir
        self._steps = steps
        self._running = False

    def __call__(self, step):
        """Before the step after this one."""
        if self._steps is None:
            return
        start, stop = self._steps
        if not self._running and start <= step < stop:
            tf.profiler.experimental.start(self._folder)
            self._running = True
        elif step >= stop:
            self.stop()

    def next_after(self, step):
        """int or None. The next step at which a loop has to end for the profile's sake."""
        return min((number for number in self._steps or () if number > step), default=None)

    def stop(self):
        """Writes the profile, if one was begun."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
            print(f"profile in {self._folder}: tensorboard --logdir={self._folder}", flush=True)
