"""Trains under one strategy and writes the weights: logical CPUs have to be set before TensorFlow
starts, so every strategy has a process of its own.

    python replicas_worker.py one_device|mirrored MODEL_DIR OUTPUT
"""

import functools
import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines import evaluate
from pipelines.data import CopyTask
from pipelines.distribution import Distribution
from pipelines.settings import TrainSettings
from pipelines.training.input import distribute
from pipelines.training.trainer import Trainer

STEPS, BATCH_SIZE, CONTEXT = 5, 4, 8
# Rows of 1 … 7 inputs under 8 latents: as many labels as the rows happen to be long.
TASK = CopyTask(length=8, min_crop=1)
OPTIMIZERS = {
    "sgd": functools.partial(keras.optimizers.SGD, 0.1),
    "adam": functools.partial(keras.optimizers.Adam, 1e-3),
}
CONFIGURATIONS = (("sgd", "sum"), ("sgd", "mean"), ("adam", "sum"))
# Below the norm of every step's gradient (the test makes sure).
CLIP_NORMS = {"sum": 1.0, "mean": 0.05}


def make_model(dropout=0.0, cls=kpar.models.PerceiverARCausalLM):
    keras.utils.set_random_seed(3)
    model = cls(
        kpar.models.PerceiverARBackbone(
            TASK.vocab_size, CONTEXT, 8, num_layers=1, width=16, num_heads=2, dropout=dropout
        )
    )
    # Zeros, as a new model has them, would let nothing but the last layer move at first.
    shape = model.logits.kernel.shape
    model.logits.kernel.assign(np.random.default_rng(0).normal(0.0, 0.3, shape))
    return model


def make_trainer(strategy, optimizer, normalization):
    with strategy.scope():
        model, optimizer = make_model(), OPTIMIZERS[optimizer]()
        step = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    clip_norm = CLIP_NORMS[normalization]
    settings = TrainSettings(STEPS, BATCH_SIZE, normalization, clip_norm=clip_norm)
    trainer = Trainer(model, optimizer, settings, strategy, step)
    make_data = functools.partial(TASK.train_dataset, context=CONTEXT, seed=0)
    trainer.train_dataset = distribute(strategy, make_data, BATCH_SIZE)
    return trainer


def train_all(strategy):
    """Weights after five steps, and the smallest norm of a gradient, of every configuration."""
    results = {}
    for optimizer, normalization in CONFIGURATIONS:
        trainer = make_trainer(strategy, optimizer, normalization)
        logs = [trainer.train(tf.constant(1)) for _ in range(STEPS)]
        prefix = f"{optimizer}/{normalization}"
        for key in ("gradient_norm", "loss", "labels", "accuracy"):
            results[f"{prefix}:{key}"] = np.array([float(log[key]) for log in logs])
        for variable in trainer.model.trainable_variables:
            results[f"{prefix}:weight:{variable.path}"] = variable.numpy()
    return results


class Recorder(kpar.models.PerceiverARCausalLM):
    """Says what each replica computes."""

    path = None

    def call(self, inputs, training=False, seed=None, num_latents=None):
        logits = super().call(inputs, training=training, seed=seed, num_latents=num_latents)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        if training:
            total = tf.strings.as_string(tf.reduce_sum(tf.square(logits)), precision=9)
            tf.print(replica, total, output_stream=f"file://{self.path}")
        return logits


def record_dropout(strategy, path, first_step):
    """What the replicas compute from the same row with the same weights: {(step, replica): …}."""
    Recorder.path = path
    with strategy.scope():
        model, optimizer = make_model(0.5, Recorder), keras.optimizers.SGD(0.0)
        step = tf.Variable(
            first_step, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
    trainer = Trainer(model, optimizer, TrainSettings(STEPS, 2, seed=1), strategy, step)
    rows = np.tile(np.arange(3, 11, dtype="int32"), (2, 1))
    make_data = tf.data.Dataset.from_tensors(({"token_ids": rows}, rows)).repeat
    trainer.train_dataset = distribute(strategy, lambda **_: make_data(), 2)
    results = {}
    for now in range(first_step, first_step + 3):
        pathlib.Path(path).write_text("")
        trainer.train(tf.constant(1))
        for line in pathlib.Path(path).read_text().splitlines():
            replica, value = line.split()
            results[f"{now},{replica}"] = value
    return results


def main(name, model_dir, output):
    strategy = Distribution(name, 2 if name == "mirrored" else None).make()
    np.savez(output, **train_all(strategy))
    bindings = [f"--gin_bindings=Distribution.strategy = '{name}'"]
    bindings += ["--gin_bindings=Distribution.num_replicas = 2"]
    evaluate.main([f"--model_dir={model_dir}", f"--output={output}.json", *bindings])
    if name == "mirrored":
        runs = {
            "first": record_dropout(strategy, f"{output}.log", first_step=0),
            "again": record_dropout(strategy, f"{output}.log", first_step=1),
        }
        with open(f"{output}.dropout", "w") as file:
            json.dump(runs, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
