"""What a person at the terminal sees of a run."""

import datetime
import json
import math
import time

import tensorflow as tf

TRAIN_LOG = "train_log.jsonl"


class Progress:
    """Prints a line after each loop and appends it to `train_log.jsonl`.

    An `orbit.Action`. The first loop compiles the step, so it counts in no speed.

    Args:
        model_dir: str.
        global_step: `tf.Variable`.
        total_steps: int.
    """

    def __init__(self, model_dir, global_step, total_steps):
        self._path = tf.io.gfile.join(model_dir, TRAIN_LOG)
        self._global_step = global_step
        self._total_steps = total_steps
        self._last_step = int(global_step.numpy())
        self._last_time = time.monotonic()
        self._warm = False
        cut_back(self._path, self._last_step)

    def __call__(self, output):
        step, now = int(self._global_step.numpy()), time.monotonic()
        steps, seconds = step - self._last_step, max(now - self._last_time, 1e-9)
        record = {
            "step": step,
            **output,
            "steps_per_second": steps / seconds,
            "targets_per_second": output["labels"] / seconds,
        }
        print(self._line(record), flush=True)
        with tf.io.gfile.GFile(self._path, "a") as file:
            file.write(json.dumps(record) + "\n")
        self._warm = True
        self.restart_clock()

    def restart_clock(self):
        """Leaves out what came in between (an evaluation, a checkpoint) from the speed."""
        self._last_step, self._last_time = int(self._global_step.numpy()), time.monotonic()

    def _line(self, record):
        left = "compiling included"
        if self._warm:
            seconds = (self._total_steps - record["step"]) / record["steps_per_second"]
            left = f"{datetime.timedelta(seconds=round(seconds))} left"
        return (
            f"step {record['step']}/{self._total_steps}"
            f" | loss {record['loss']:.4f} nats"
            f" | accuracy {record['accuracy']:.4f}"
            f" | {record['steps_per_second']:.2f} steps/s"
            f" | {record['targets_per_second']:,.0f} targets/s | {left}"
        )


def _step_of(line):
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf  # not a line of ours: it goes


def cut_back(path, step):
    """Drops the lines of steps that come after the checkpoint a run goes on from."""
    if not tf.io.gfile.exists(path):
        return
    with tf.io.gfile.GFile(path) as file:
        lines = file.read().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
    if kept != lines:
        with tf.io.gfile.GFile(path, "w") as file:
            file.write("".join(kept))
