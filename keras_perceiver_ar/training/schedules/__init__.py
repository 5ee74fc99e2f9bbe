"""Learning rates: the original's four, each after a linear warm-up."""

from keras_perceiver_ar.training.schedules.constant_with_warmup import ConstantWithWarmup
from keras_perceiver_ar.training.schedules.cosine_with_warmup import CosineWithWarmup
from keras_perceiver_ar.training.schedules.inverse_square_root import InverseSquareRoot
from keras_perceiver_ar.training.schedules.steps_with_warmup import StepsWithWarmup
from keras_perceiver_ar.training.schedules.warmup import WarmupSchedule

__all__ = [
    "ConstantWithWarmup",
    "CosineWithWarmup",
    "InverseSquareRoot",
    "StepsWithWarmup",
    "WarmupSchedule",
]
