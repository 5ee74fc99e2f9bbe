"""Which tokens may come next, as small objects: a list of them is what all of them allow."""

from keras_perceiver_ar.generation.logit_masks.channel_mask import ChannelMask
from keras_perceiver_ar.generation.logit_masks.data_mask import DataMask
from keras_perceiver_ar.generation.logit_masks.logit_mask import LogitMask
from keras_perceiver_ar.generation.logit_masks.sounding_notes_mask import SoundingNotesMask

__all__ = ["ChannelMask", "DataMask", "LogitMask", "SoundingNotesMask"]
