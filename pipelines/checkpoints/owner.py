"""Which of two trainings in one directory goes on."""

import uuid

import tensorflow as tf

from pipelines.atomic_files import write_text, writing
from pipelines.errors import RunError

OWNER_FILE = "owner"


class Owner:
    """The last training to begin in a directory owns it; one before that stops. An `orbit.Action`.

    A lock would have to be taken off by hand after every kill.

    Args:
        model_dir: str.
    """

    def __init__(self, model_dir):
        self._path = tf.io.gfile.join(model_dir, OWNER_FILE)
        self._id = uuid.uuid4().hex
        write_text(self._path, self._id)

    def __call__(self, _=None):
        """Raises `RunError` if another training has begun since."""
        with writing(self._path), tf.io.gfile.GFile(self._path) as file:
            owner = file.read()
        if owner != self._id:
            raise RunError(
                f"another training has begun in the same directory ({self._path}): this one stops, "
                "or their checkpoints and logs would mix"
            )
