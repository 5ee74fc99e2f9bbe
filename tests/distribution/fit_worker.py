"""Keras' own `fit` on two replicas: logical CPUs have to be set before TensorFlow starts.

python fit_worker.py decoder|xl|perceiver
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
import tensorflow as tf

import keras_perceiver_ar as kpar

SIZES = {"num_layers": 1, "width": 16, "num_heads": 2}
MAKE = {
    "decoder": lambda: kpar.models.DecoderTransformer(9, 8, **SIZES),
    "xl": lambda: kpar.models.TransformerXL(9, 8, 4, **SIZES),
    "perceiver": lambda: kpar.models.PerceiverARCausalLM(
        kpar.models.PerceiverARBackbone(9, 8, 4, **SIZES)
    ),
}

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
ids = np.tile(np.arange(3, 9), 3)[np.arange(9) + np.arange(64)[:, None] % 6].astype("int32")


def fit(strategy, optimizer, epochs):
    """Losses of the epochs, and the weights."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = MAKE[sys.argv[1]]()
        model.compile(optimizer(), loss=kpar.training.PerceiverARLoss())
    history = model.fit(ids[:, :-1], ids[:, 1:], batch_size=8, epochs=epochs, verbose=0)
    return history.history["loss"], model.get_weights()


losses, _ = fit(two, lambda: keras.optimizers.Adam(1e-2), epochs=8)
print(losses)
if not losses[-1] < 0.5 * losses[0]:
    sys.exit("nothing was learnt")
# Not by Adam, which a gradient that is too large by a factor leaves as it is.
runs = [
    fit(each, lambda: keras.optimizers.SGD(0.1), 1) for each in (two, tf.distribute.get_strategy())
]
for one, other in zip(*(keras.tree.flatten(run) for run in runs), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
