"""Models of Perceiver AR, and the two that it is compared with."""

from keras_perceiver_ar.attention import AttentionRoute
from keras_perceiver_ar.models.backbone import PerceiverARBackbone
from keras_perceiver_ar.models.causal_lm import PerceiverARCausalLM
from keras_perceiver_ar.models.cross_attend import CrossAttend
from keras_perceiver_ar.models.decoder_transformer import DecoderTransformer
from keras_perceiver_ar.models.dropout_rates import DropoutRates
from keras_perceiver_ar.models.latent_query import LatentQuery
from keras_perceiver_ar.models.transformer_xl import TransformerXL

__all__ = [
    "AttentionRoute",
    "CrossAttend",
    "DecoderTransformer",
    "DropoutRates",
    "LatentQuery",
    "PerceiverARBackbone",
    "PerceiverARCausalLM",
    "TransformerXL",
]
