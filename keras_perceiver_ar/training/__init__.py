"""Losses and metrics."""

from keras_perceiver_ar.training.loss import NORMALIZATIONS, PerceiverARLoss, token_loss
from keras_perceiver_ar.training.metrics import BitsPerToken, TokenAccuracy

__all__ = ["NORMALIZATIONS", "BitsPerToken", "PerceiverARLoss", "TokenAccuracy", "token_loss"]
