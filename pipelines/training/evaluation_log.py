"""`evaluation_log.jsonl`: the figures of each evaluation, one line each."""

import json

import tensorflow as tf

from pipelines.atomic_files import writing
from pipelines.training.step_log import cut_back, finite

EVALUATION_LOG = "evaluation_log.jsonl"


class EvaluationLog:
    """Prints the figures of an evaluation and appends them to the log.

    Args:
        model_dir: str.
        start: int or None. Step that training goes on from: later lines are dropped. None drops
            none.
    """

    def __init__(self, model_dir, start=None):
        self._path = tf.io.gfile.join(model_dir, EVALUATION_LOG)
        if start is not None:
            cut_back(self._path, start)

    def __call__(self, step, split, results):
        figures = " | ".join(f"{name} {value:.6g}" for name, value in results.items())
        print(f"evaluation of step {step} | {figures}", flush=True)
        line = json.dumps({"step": step, "split": split, **finite(results)})
        with writing(self._path), tf.io.gfile.GFile(self._path, "a") as file:
            file.write(f"{line}\n")

    def steps(self, split):
        """set of int, the steps whose figures are in the log."""
        if not tf.io.gfile.exists(self._path):
            return set()
        with writing(self._path), tf.io.gfile.GFile(self._path) as file:
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
        records = [json.loads(line) for line in lines]
        return {record["step"] for record in records if record["split"] == split}
