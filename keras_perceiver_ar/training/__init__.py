"""Losses, metrics and learning rates."""

from keras_perceiver_ar.training.loss import NORMALIZATIONS, PerceiverARLoss, token_loss
from keras_perceiver_ar.training.metrics import BitsPerToken, TokenAccuracy
from keras_perceiver_ar.training.schedules import (
    ConstantWithWarmup,
    CosineWithWarmup,
    InverseSquareRoot,
    StepsWithWarmup,
    WarmupSchedule,
)

__all__ = [
    "NORMALIZATIONS",
    "BitsPerToken",
    "ConstantWithWarmup",
    "CosineWithWarmup",
    "InverseSquareRoot",
    "PerceiverARLoss",
    "StepsWithWarmup",
    "TokenAccuracy",
    "WarmupSchedule",
    "token_loss",
]
