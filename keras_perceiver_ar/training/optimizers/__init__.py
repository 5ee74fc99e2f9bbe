"""Optimizers: those of the original with the formulas that it used."""

from keras_perceiver_ar.training.optimizers.optax_adafactor import OptaxAdafactor
from keras_perceiver_ar.training.optimizers.optax_adam import OptaxAdam
from keras_perceiver_ar.training.optimizers.optax_lamb import OptaxLamb
from keras_perceiver_ar.training.optimizers.optax_sgd import OptaxSGD
from keras_perceiver_ar.training.optimizers.sm3 import SM3

__all__ = ["SM3", "OptaxAdafactor", "OptaxAdam", "OptaxLamb", "OptaxSGD"]
