"""Generation: the decode loop, its caches, and what it samples with."""

from keras_perceiver_ar.generation.cache import DecodeCache
from keras_perceiver_ar.generation.decode_loop import decode
from keras_perceiver_ar.generation.sampler import Sampler

__all__ = ["DecodeCache", "Sampler", "decode"]
