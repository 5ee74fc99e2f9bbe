"""The paper's claims at a size that can be run: `python -m pipelines.experiment NAME`.

What trains imports no TensorFlow: Keras' own `fit` on either backend, fed from NumPy, so that it
runs on a machine that has a GPU and JAX alone. What draws and writes sentences is read from the
tables that it leaves, anywhere.
"""
