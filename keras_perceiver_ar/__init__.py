"""Perceiver AR (arXiv 2202.07765) for Keras: long contexts, few latents, any backend."""

from keras_perceiver_ar import codecs, convert, generation, layers, models, training

__version__ = "0.1.0"
__all__ = ["codecs", "convert", "generation", "layers", "models", "training"]
