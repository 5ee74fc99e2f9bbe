"""Generation: the decode loop, its caches, and what it samples with."""

from keras_perceiver_ar.generation.beam_search import BeamSearch
from keras_perceiver_ar.generation.cache import DecodeCache
from keras_perceiver_ar.generation.decode_loop import decode
from keras_perceiver_ar.generation.history import History
from keras_perceiver_ar.generation.logit_masks import (
    ChannelMask,
    DataMask,
    LogitMask,
    SoundingNotesMask,
)
from keras_perceiver_ar.generation.sampler import Sampler

__all__ = [
    "BeamSearch",
    "ChannelMask",
    "DataMask",
    "DecodeCache",
    "History",
    "LogitMask",
    "Sampler",
    "SoundingNotesMask",
    "decode",
]
