"""Keras' own `fit`, in stretches, that goes on where it was killed."""

import json
import math
import os
import pathlib
import time

import keras
import numpy as np

from pipelines.errors import RunError, UserError
from pipelines.experiment.table import write_whole

SAVE_EVERY = 60.0  # seconds: more of them are lost where the process is killed
_MARGIN = 4096  # bytes that HDF5 adds to an array at most, its groups among them


def fit(model, make_batch, steps, path, stretch=50, seconds=None, until=None, say=None):
    """Trains a compiled model up to a step, a time or a goal, whatever comes first.

    The step of a batch is all that it depends on, so what is trained does not depend on where it
    was interrupted.

    Args:
        model: compiled `keras.Model`.
        make_batch: function of int step that gives `(inputs, labels)`.
        steps: int. Steps in all, those of earlier starts included.
        path: str or path. Prefix of `.weights.h5`, with weights, optimizer and how far it is; where
            that is, training goes on from it.
        stretch: int. Steps between two looks at the figures; the last are fewer.
        seconds: float or None. Of training in all, those of earlier starts included; it ends
            with the stretch in which they are over. The compilation of the first step counts.
        until: function of the stretches' figures (list of dict, `loss` and the metrics' names) that
            tells whether to stop, or None.
        say: function of one such dict with `step` and `seconds`, called after each stretch; or
            None.

    Returns:
        list of dict: `step`, `seconds`, `loss` and the metrics of each stretch.

    Raises:
        RunError: the loss is no number.
    """
    path = pathlib.Path(path)
    progress = _Progress(model, make_batch, steps, path, stretch, seconds, until, say)
    if progress.done:
        return progress.history
    while not progress.done:
        # An epoch is a stretch; what is left behind the last whole one is an epoch of a `fit` of
        # its own, as all epochs of one have the same length.
        rest = steps - progress.step
        progress.batches.stretch = min(stretch, rest)
        model.fit(
            progress.batches,
            epochs=max(1, rest // stretch),
            verbose=0,
            shuffle=False,
            callbacks=[progress],
        )
    progress.save()
    return progress.history


class _Batches(keras.utils.PyDataset):
    """The batches of a stretch of steps, and after it those of the next."""

    def __init__(self, make_batch, start, stretch):
        super().__init__()
        self.make_batch, self.start, self.stretch = make_batch, start, stretch

    def __len__(self):
        return self.stretch

    def __getitem__(self, index):
        return self.make_batch(self.start + index)


class _Progress(keras.callbacks.Callback):
    """Keeps what has been done, and stops where that is enough."""

    def __init__(self, model, make_batch, steps, path, stretch, seconds, until, say):
        super().__init__()
        self._model, self._weights = model, _file_of(path)
        self._steps, self._seconds, self._until, self._say = steps, seconds, until, say
        self.history = restore(model, path) if self._weights.exists() else []
        self._first = self.step
        self.batches = _Batches(make_batch, self._first, stretch)
        self._before = self.history[-1]["seconds"] if self.history else 0.0
        self._began = self._saved = time.monotonic()

    @property
    def step(self):
        """Steps that are done."""
        return self.history[-1]["step"] if self.history else 0

    @property
    def done(self):
        """Whether there is nothing left to train."""
        if not self.history:
            return False
        seconds = self.history[-1]["seconds"]
        return (
            self.step >= self._steps
            or (self._seconds is not None and seconds >= self._seconds)
            or (self._until is not None and self._until(self.history))
        )

    def on_train_begin(self, logs=None):
        del logs
        self._first = self.step

    def on_epoch_begin(self, epoch, logs=None):
        # Not in the data's own `on_epoch_end`: Keras calls that once more, before it begins.
        del logs
        self.batches.start = self._first + epoch * self.batches.stretch

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        figures = {
            "step": self._first + (epoch + 1) * self.batches.stretch,
            "seconds": self._before + now - self._began,
            **{name: float(value) for name, value in logs.items()},
        }
        if not math.isfinite(figures["loss"]):
            raise RunError(
                f"the loss is {figures['loss']} at step {figures['step']}: "
                "start again in another --output with a lower learning rate"
            )
        self.history.append(figures)
        if self._say:
            self._say(figures)
        if self.done:
            self._model.stop_training = True
        elif now - self._saved > SAVE_EVERY:
            self.save()

    def save(self):
        """Writes weights, optimizer and figures, in one file as they belong together."""

        def write(path):
            # Where the disk is full, HDF5 kills the process instead of raising an error.
            variables = (*self._model.variables, *self._model.optimizer.variables)
            _check_room(path, sum(_MARGIN + 4 * math.prod(v.shape) for v in variables))
            self._model.save_weights(path)
            with _open(path, "a") as file:
                file.attrs["history"] = json.dumps(self.history)
                # Which Keras leaves out: dropout would begin anew.
                file.attrs["draws"] = json.dumps([v.numpy().tolist() for v in _draws(self._model)])

        write_whole(self._weights, write)
        self._saved = time.monotonic()


def restore(model, path):
    """Gives a compiled model the weights and the optimizer that `fit` left.

    Args:
        model: compiled `keras.Model`.
        path: path, as for `fit`.

    Returns:
        list of dict, as from `fit`.

    Raises:
        UserError: there is no such file, or it is torn or of another model.
    """
    file = _file_of(path)
    model.optimizer.build(model.trainable_variables)
    try:
        with _open(file, "r") as content:
            history = json.loads(content.attrs["history"])
            # Files of before there were any lack them.
            draws = json.loads(content.attrs.get("draws", "[]"))
        model.load_weights(file)
    except (OSError, KeyError, ValueError, RuntimeError) as error:  # of h5py, JSON and Keras
        raise _torn(file, error) from error
    for variable, value in zip(_draws(model), draws, strict=False):
        variable.assign(np.asarray(value, variable.dtype))
    return history


def steps_done(path):
    """How many steps the weights that `fit` left have; 0 if there are none.

    Args:
        path: path, as for `fit`.

    Raises:
        UserError: the file is torn.
    """
    file = _file_of(path)
    if not file.exists():
        return 0
    try:
        with _open(file, "r") as content:
            return json.loads(content.attrs["history"])[-1]["step"]
    except (OSError, KeyError, ValueError) as error:  # of h5py and JSON
        raise _torn(file, error) from error


def _draws(model):
    """The variables that say how far each layer has drawn at random."""
    return [v for v in model.variables if v.name == "seed_generator_state"]


def _check_room(path, size):
    """Raises an OSError where a file of so many bytes cannot be written."""
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    finally:
        path.unlink(missing_ok=True)


def _torn(file, error):
    reason = str(error).strip().splitlines()[0]
    return UserError(
        f"{str(file)!r} is torn, or of another model ({reason}): remove it to train that model "
        "again, or give another --output"
    )


def _file_of(path):
    return path.with_name(path.name + ".weights.h5")


def _open(path, mode):
    import h5py  # Keras' own

    return h5py.File(path, mode)
