"""Compiling a run's steps for a TPU slice where there is no TPU.

`lower` runs with TensorFlow's TPU kernels in an environment of its own, `compile` with the TPU
compiler in another: the two need different versions of `libtpu`. `__main__` needs neither.
"""
