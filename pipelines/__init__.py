"""TensorFlow pipelines: data in, the training loop, evaluation and the command line."""
