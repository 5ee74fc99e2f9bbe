"""Takes steps with every optimizer under one strategy, in a process of its own.

python optimizers_worker.py one_device|mirrored OUTPUT
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
import tensorflow as tf

from keras_perceiver_ar import training
from pipelines.distribution import Distribution

SHAPES = {"matrix": (4, 6), "vector": (5,), "scalar": ()}
OPTIMIZERS = {
    "adam": training.OptaxAdam,
    "lamb": training.OptaxLamb,
    "adafactor": training.OptaxAdafactor,
    "factored": lambda rate, **options: training.OptaxAdafactor(
        rate, min_size_to_factor=4, **options
    ),
    "sgd": training.OptaxSGD,
    "sm3": training.SM3,
}


def train(strategy, make_optimizer):
    """The variables after four steps; the gradients of the replicas are shares of a whole."""
    random = np.random.default_rng(0)
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        starts = {name: random.normal(size=shape) for name, shape in SHAPES.items()}
        variables = [keras.Variable(start, name=name) for name, start in starts.items()]
        optimizer = make_optimizer(training.ConstantWithWarmup(0.1, 2), weight_decay=0.1)
        optimizer.build(variables)

    @tf.function(autograph=False)
    def step(gradients):
        strategy.run(lambda: optimizer.apply([part / replicas for part in gradients]))

    for _ in range(4):
        step([tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES.values()])
    return {variable.name: variable.numpy() for variable in variables}


def main(name, output):
    strategy = Distribution(name, 2 if name == "mirrored" else None).make()
    results = {
        f"{optimizer}:{name}": value
        for optimizer, make_optimizer in OPTIMIZERS.items()
        for name, value in train(strategy, make_optimizer).items()
    }
    np.savez(output, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
