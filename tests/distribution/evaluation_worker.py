"""Evaluates under one strategy and writes every sum: logical CPUs have to be set before TensorFlow
starts, so every strategy has a process of its own.

    python evaluation_worker.py one_device|mirrored|multi_worker_mirrored REPLICAS BOOKS OUTPUT
"""

import json
import os
import sys

if __name__ == "__main__":  # imported for its CASES it leaves the environment of the tests alone
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.data import BooksTask, CopyTask
from pipelines.distribution import Distribution, is_chief
from pipelines.evaluation.settings import Settings
from pipelines.training.evaluation import make_evaluator

BATCH_SIZE = 6  # a multiple of one, two and three replicas
CASES = (
    ("books", Settings(8, 16, 8)),
    ("books", Settings(4, 12, 3)),
    ("copy", Settings(8, 16, 5)),
)


def make_model(strategy):
    with strategy.scope():
        backbone = kpar.models.PerceiverARBackbone(259, 16, 8, num_layers=1, width=16, num_heads=2)
        model = kpar.models.PerceiverARCausalLM(backbone)
        generator = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(generator.normal(0.0, 0.3, variable.shape))
    return model


def main(name, replicas, books, output):
    strategy = Distribution(name, int(replicas) if name == "mirrored" else None).make()
    assert strategy.num_replicas_in_sync == int(replicas)
    model = make_model(strategy)
    # Documents of which none divides among the replicas, and sequences whose number does not.
    tasks = {"books": BooksTask(books), "copy": CopyTask(length=12, evaluation_examples=7)}
    sums, figures = {}, {}
    for task_name, settings in CASES:
        task = tasks[task_name]
        evaluator = make_evaluator(model, task, "test", BATCH_SIZE, strategy, settings=settings)
        key = f"{task_name} {tuple(settings)}"
        figures[key] = evaluator.evaluate(tf.constant(-1))
        for sum_name, value in evaluator._sums.read().items():
            sums[f"{key} {sum_name}"] = value
    if is_chief(strategy):
        np.savez(f"{output}.npz", **sums)
        with open(f"{output}.json", "w") as file:
            json.dump(figures, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
