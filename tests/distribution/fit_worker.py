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
keras.utils.set_random_seed(0)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = MAKE[sys.argv[1]]()
    model.compile(keras.optimizers.Adam(1e-2), loss=kpar.training.PerceiverARLoss())
ids = np.tile(np.arange(3, 9), 3)[np.arange(9) + np.arange(64)[:, None] % 6].astype("int32")
losses = model.fit(ids[:, :-1], ids[:, 1:], batch_size=8, epochs=8, verbose=0).history["loss"]
print(losses)
sys.exit(0 if losses[-1] < 0.5 * losses[0] else "nothing was learnt")
