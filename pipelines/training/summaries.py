"""TensorBoard's curves."""

import orbit
import tensorflow as tf

from pipelines.atomic_files import writing


class SummaryManager(orbit.utils.SummaryManager):
    """Orbit's, with points that may lie further apart, and errors in one line.

    Args:
        folder: str.
        global_step: `tf.Variable`.
        interval: int or None. Steps between two points, at the least.
    """

    def __init__(self, folder, global_step, interval=None):
        super().__init__(folder, tf.summary.scalar, global_step)
        self._folder = folder
        self._step = global_step
        self._interval = interval or 0
        self._written = None

    def write_summaries(self, summary_dict):
        """Writes a point of each curve, unless the last one is too near."""
        step = int(self._step.numpy())
        if self._written is None or step - self._written >= self._interval:
            self._written = step
            with writing(self._folder):
                super().write_summaries(summary_dict)

    def flush(self):
        """Writes what is held back."""
        with writing(self._folder):
            super().flush()
