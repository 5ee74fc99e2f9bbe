"""Layers of Perceiver AR, usable in any Keras model."""

from keras_perceiver_ar.layers.context_dropout import ContextDropout
from keras_perceiver_ar.layers.cross_attention_block import CrossAttentionBlock
from keras_perceiver_ar.layers.feed_forward import FeedForward, squared_relu
from keras_perceiver_ar.layers.initial_latents import InitialLatents
from keras_perceiver_ar.layers.latent_block import LatentBlock
from keras_perceiver_ar.layers.multi_head_attention import MultiHeadAttention
from keras_perceiver_ar.layers.position_embedding import PositionEmbedding
from keras_perceiver_ar.layers.relative_attention import RelativeAttention
from keras_perceiver_ar.layers.relative_block import RelativeBlock
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding

__all__ = [
    "ContextDropout",
    "CrossAttentionBlock",
    "FeedForward",
    "InitialLatents",
    "LatentBlock",
    "MultiHeadAttention",
    "PositionEmbedding",
    "RelativeAttention",
    "RelativeBlock",
    "RotaryEmbedding",
    "squared_relu",
]
