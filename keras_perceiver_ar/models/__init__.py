"""Models of Perceiver AR."""

from keras_perceiver_ar.models.backbone import PerceiverARBackbone
from keras_perceiver_ar.models.causal_lm import PerceiverARCausalLM

__all__ = ["PerceiverARBackbone", "PerceiverARCausalLM"]
