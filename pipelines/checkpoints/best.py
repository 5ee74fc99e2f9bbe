"""The best checkpoint, in a directory of its own."""

import json
import math
import sys

import tensorflow as tf

from pipelines.atomic_files import remove_if_there, write_text, writing
from pipelines.checkpoints.description import MODEL_FILE, OPERATIVE_CONFIG
from pipelines.checkpoints.files import whole_checkpoints

BEST = "best"
BEST_FILE = "best.json"
_HIGHER_IS_BETTER = ("accuracy",)


class BestCheckpoint:
    """Keeps a copy of the checkpoint with the best value of a metric.

    It lies in `MODEL_DIR/best` with all that a command needs to read it: that is a --model_dir.

    Args:
        model_dir: str.
        metric: str or None. Of an evaluation; None keeps no copy.
    """

    def __init__(self, model_dir, metric):
        self._model_dir = model_dir
        self._folder = tf.io.gfile.join(model_dir, BEST)
        self._metric = metric

    def __call__(self, step, results):
        """Looks at an evaluation of the checkpoint of a step, which must be written."""
        if self._metric is None:
            return
        value, best = results[self._metric], self._read()
        sign = 1 if self._metric in _HIGHER_IS_BETTER else -1
        if not math.isfinite(value) or (best and sign * value <= sign * best["value"]):
            return
        with writing(self._folder):
            kept = self._copy(step, value)
        if kept:
            print(f"the best {self._metric} so far: kept in {self._folder}", flush=True)
        else:
            text = f"warning: step {step} was the best so far, but its checkpoint is gone already"
            print(f"{text}: raise TrainSettings.keep_checkpoints", file=sys.stderr, flush=True)

    def _read(self):
        """The best there was, or None: of another metric, or of a step that came to nothing."""
        path = tf.io.gfile.join(self._folder, BEST_FILE)
        if not tf.io.gfile.exists(path):
            return None
        with writing(path), tf.io.gfile.GFile(path) as file:
            best = json.load(file)
        return best if best["metric"] == self._metric else None

    def _copy(self, step, value):
        """Whether the checkpoint was there to be copied."""
        prefix = f"ckpt-{step}."
        if tf.io.gfile.join(self._model_dir, prefix[:-1]) not in whole_checkpoints(self._model_dir):
            return False
        tf.io.gfile.makedirs(self._folder)
        # Those of before, and what a copy that was stopped has left.
        old = [n for n in tf.io.gfile.listdir(self._folder) if n.startswith("ckpt-")]
        names = [n for n in tf.io.gfile.listdir(self._model_dir) if n.startswith(prefix)]
        # The index last: without it there is no checkpoint.
        for name in (MODEL_FILE, OPERATIVE_CONFIG, *sorted(names)):
            source = tf.io.gfile.join(self._model_dir, name)
            if tf.io.gfile.exists(source):
                target = tf.io.gfile.join(self._folder, name)
                tf.io.gfile.copy(source, f"{target}.copy", overwrite=True)
                tf.io.gfile.rename(f"{target}.copy", target, overwrite=True)
        best = {"metric": self._metric, "value": value, "step": step}
        write_text(tf.io.gfile.join(self._folder, BEST_FILE), json.dumps(best))
        for name in set(old) - set(names):
            remove_if_there(tf.io.gfile.join(self._folder, name))
        return True
