"""Attention: one contract, several routes to the same numbers."""

from keras_perceiver_ar.attention.dispatch import dot_product_attention
from keras_perceiver_ar.attention.route import AttentionRoute

__all__ = ["AttentionRoute", "dot_product_attention"]
