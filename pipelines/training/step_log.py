"""`train_log.jsonl`: what each step was like, the same however often a run stopped."""

import json
import math

import tensorflow as tf

from pipelines.atomic_files import write_text, writing

TRAIN_LOG = "train_log.jsonl"
_MEANS = {"loss": "loss", "z_loss": "z_loss", "accuracy": "correct"}  # of a label


class StepLog:
    """Appends the steps of each loop. An `orbit.Action`.

    Nothing in it depends on the clock, so the log of a run that was killed and went on is that of
    one that was not.

    Args:
        model_dir: str.
        trainer: `Trainer`, whose `steps` are told.
        start: int. Step that the run goes on from: later lines are dropped.
        interval: int. Only the lines of its multiples are written.
    """

    def __init__(self, model_dir, trainer, start, interval):
        self._path = tf.io.gfile.join(model_dir, TRAIN_LOG)
        self._trainer = trainer
        self._interval = interval
        cut_back(self._path, start)

    def __call__(self, _):
        columns = self._trainer.steps
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        lines = [json.dumps(record(row)) for row in rows if row["step"] % self._interval == 0]
        with writing(self._path), tf.io.gfile.GFile(self._path, "a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def finite(figures):
    """Figures, a dict or list of them too, with None for what JSON has no word for."""
    if isinstance(figures, dict):
        return {name: finite(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [finite(value) for value in figures]
    return None if isinstance(figures, float) and not math.isfinite(figures) else figures


def record(row):
    """A line's figures.

    Args:
        row: dict of a step's numbers, one of each column of `Trainer.steps`.

    Returns:
        dict: `step`; `loss` in nats, `z_loss` and `accuracy` of a label; `gradient_norm`,
        `learning_rate`, `labels` and `skipped`. None stands for what is no number.
    """
    labels = max(float(row["labels"]), 1.0)
    figures = {name: float(row[column]) / labels for name, column in _MEANS.items()}
    figures |= {name: float(row[name]) for name in ("gradient_norm", "learning_rate")}
    return {
        "step": int(row["step"]),
        **finite(figures),
        "labels": int(row["labels"]),
        "skipped": int(row["skipped"]),
    }


def _step_of(line):
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf  # not a line of ours: it goes


def cut_back(path, step):
    """Drops the lines of steps that come after the checkpoint a run goes on from."""
    if not tf.io.gfile.exists(path):
        return
    with writing(path), tf.io.gfile.GFile(path) as file:
        lines = file.read().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
    if kept != lines:
        write_text(path, "".join(kept))
