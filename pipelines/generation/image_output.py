"""Images in a PNG file."""

import sys

import numpy as np

from pipelines import image_files
from pipelines.generation.output import Output


class ImageOutput(Output):
    """A PNG file of one image, or of several side by side; of those that are done at a signal
    or another error.

    Args:
        task: `ShardsTask` of images.
        path: str.
    """

    def __init__(self, task, path):
        self._task, self._path = task, path
        self._rows = []

    def __exit__(self, kind, error, trace):
        self.say_cut(error, len(self._rows), "image")
        if not self._rows:
            return
        values, drawn = len(self._task.positions) - 1, [len(row) - 1 for row in self._rows]
        if min(drawn) < values:
            of = "the image" if len(drawn) == 1 else "an image"
            most = f"{min(drawn):,}" if min(drawn) == max(drawn) else f"{min(drawn):,} or more"
            print(f"drew {most} of {values:,} values of {of}: the rest is black", file=sys.stderr)
        image_files.write_grid(np.stack([self._task.decode(row) for row in self._rows]), self._path)
        self.say_written(self._path)

    def add(self, batch):
        self._rows += [drawn.token_ids for drawn in batch]
