"""Losses, metrics, learning rates and optimizers."""

from keras_perceiver_ar.training.loss import NORMALIZATIONS, PerceiverARLoss, token_loss
from keras_perceiver_ar.training.metrics import BitsPerToken, TokenAccuracy
from keras_perceiver_ar.training.optimizers import (
    SM3,
    OptaxAdafactor,
    OptaxAdam,
    OptaxLamb,
    OptaxSGD,
)
from keras_perceiver_ar.training.schedules import (
    ConstantWithWarmup,
    CosineWithWarmup,
    InverseSquareRoot,
    StepsWithWarmup,
    WarmupSchedule,
)

__all__ = [
    "NORMALIZATIONS",
    "SM3",
    "BitsPerToken",
    "ConstantWithWarmup",
    "CosineWithWarmup",
    "InverseSquareRoot",
    "OptaxAdafactor",
    "OptaxAdam",
    "OptaxLamb",
    "OptaxSGD",
    "PerceiverARLoss",
    "StepsWithWarmup",
    "TokenAccuracy",
    "WarmupSchedule",
    "token_loss",
]
