"""Measurements: the train step, decoding, the input pipeline, and sweeps over context and depth.

`train_step`, `decode` and `sweep` need keras, numpy and the backend that is asked for, nothing
else, so that they run on a machine with a GPU, JAX and no TensorFlow.
"""
