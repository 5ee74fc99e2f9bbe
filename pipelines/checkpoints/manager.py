"""Saving at intervals, and going on from what was saved."""

import contextlib

import tensorflow as tf
from absl import logging

from pipelines.atomic_files import writing
from pipelines.checkpoints.files import remove_unfinished, set_aside, whole_checkpoints
from pipelines.checkpoints.weights import restore, restore_newest
from pipelines.errors import RunError


class CheckpointManager(tf.train.CheckpointManager):
    """TensorFlow's, but one that goes on from what is really there, and whole.

    It starts from the newest checkpoint whose files are there and not damaged, whatever the state
    file says: that one may be torn, or older or newer than the files after a crash or a copy. What
    is damaged is set aside.

    Args:
        checkpoint: `tf.train.Checkpoint`.
        directory: str.
        writes: bool. Whether anything in the directory is touched. Of several workers, all of which
            hold the same values, one does.
        **kwargs: those of `tf.train.CheckpointManager`.
    """

    def __init__(self, checkpoint, directory, writes=True, **kwargs):
        self._open = lambda: super(CheckpointManager, self).__init__(
            checkpoint, directory, **kwargs
        )
        self._requested = None
        self._writes = writes
        if writes and tf.io.gfile.isdir(directory):
            remove_unfinished(directory)
        self._look_again(directory)

    def _look_again(self, directory):
        """Begins with the files that are there."""
        paths = whole_checkpoints(directory)
        state = tf.train.get_checkpoint_state(directory)
        if self._writes and paths and (state is None or state.model_checkpoint_path != paths[-1]):
            print(f"going on from {paths[-1]}, the newest checkpoint whose files are there")
            tf.compat.v1.train.update_checkpoint_state(
                directory, paths[-1], all_model_checkpoint_paths=paths
            )
        self._open()

    def restore_or_initialize(self):
        """Restores the newest checkpoint, all of it.

        Returns:
            str, its path, or None if there is none.

        Raises:
            UserError: all are torn, or it is of another model or optimizer.
            RunError: it cannot be reached.
        """
        path, torn = restore_newest(
            self.directory,
            lambda path: restore(self.checkpoint, path),
            remedy="delete them to begin anew, or bring a copy back",
        )
        if torn and self._writes:
            for other in torn:
                set_aside(other)
            self._look_again(self.directory)
        return path

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """As TensorFlow's.

        Raises:
            RunError: this checkpoint, or the one before that was still being written, could not be.
        """
        if not self._writes:
            return None
        with self._saving():
            path = super().save(checkpoint_number, check_interval, options)
        self._requested = path or self._requested
        return path

    def sync(self):
        """Waits until what was to be saved is saved.

        Raises:
            RunError: it could not be.
        """
        with self._saving():
            super().sync()
            if self._requested not in (None, self.latest_checkpoint):
                # TensorFlow keeps the error for the next who saves; this one raises it.
                self.checkpoint.write(
                    self._requested, tf.train.CheckpointOptions(enable_async=True)
                )

    @contextlib.contextmanager
    def _saving(self):
        """What cannot be saved is one line, and leaves nothing on a disk that may be full."""
        level = logging.get_verbosity()
        logging.set_verbosity(logging.FATAL)  # TensorFlow tells of an error before it raises it
        try:
            with writing(self.directory):
                yield
        except RunError:
            self._requested = None
            super().sync()
            with contextlib.suppress(tf.errors.OpError):
                remove_unfinished(self.directory)
            raise
        finally:
            logging.set_verbosity(level)
