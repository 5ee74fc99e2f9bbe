"""Kernels for JAX on an NVIDIA GPU: the only room that imports jax, where it is the backend.

Each has a twin of `keras.ops` that runs everywhere, and each is tested against it step by step,
without a GPU (`interpret=True`).
"""
