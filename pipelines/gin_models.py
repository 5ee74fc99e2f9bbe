"""What gin can reach of models and optimizers. Imports no TensorFlow.

`make_causal_lm` makes a `PerceiverARCausalLM` as gin says.
"""

import keras

import gin
import keras_perceiver_ar as kpar

for _configurable, _module in (
    (kpar.models.AttentionRoute, "models"),
    (kpar.models.CrossAttend, "models"),
    (kpar.models.DropoutRates, "models"),
    (kpar.models.LatentQuery, "models"),
    (kpar.models.PerceiverARBackbone, "models"),
    (kpar.layers.PositionEmbedding, "layers"),
    (kpar.layers.RotaryEmbedding, "layers"),
    (kpar.training.OptaxAdafactor, "optimizers"),
    (kpar.training.OptaxAdam, "optimizers"),
    (kpar.training.OptaxLamb, "optimizers"),
    (kpar.training.OptaxSGD, "optimizers"),
    (kpar.training.SM3, "optimizers"),
    (keras.optimizers.Adafactor, "optimizers"),
    (keras.optimizers.Adam, "optimizers"),
    (keras.optimizers.AdamW, "optimizers"),
    (keras.optimizers.Lamb, "optimizers"),
    (keras.optimizers.SGD, "optimizers"),
    (kpar.training.ConstantWithWarmup, "schedules"),
    (kpar.training.CosineWithWarmup, "schedules"),
    (kpar.training.InverseSquareRoot, "schedules"),
    (kpar.training.StepsWithWarmup, "schedules"),
    (keras.optimizers.schedules.CosineDecay, "schedules"),
):
    gin.external_configurable(_configurable, module=_module)
make_causal_lm = gin.external_configurable(kpar.models.PerceiverARCausalLM, module="models")
