import keras
import numpy as np
import pytest

from keras_perceiver_ar.layers.layer_normalization import LayerNormalization
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import to_numpy, value_and_gradient

X = 3 * np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32") + 1
UPSTREAM = np.random.default_rng(1).normal(size=X.shape).astype("float32")
WEIGHTS = [np.linspace(0.5, 2, 8), np.linspace(-1, 1, 8)]


def test_common_checks(tmp_path):
    check_layer(LayerNormalization, {"epsilon": 1e-3}, {"inputs": X}, X.shape, 2, tmp_path)


@pytest.mark.parametrize(
    "option",
    [{"axis": 1}, {"scale": False}, {"center": False}, {"gamma_regularizer": "l2"}],
)
def test_options_of_keras_own_that_it_would_pass_over(option):
    with pytest.raises(ValueError, match=f"Received: {list(option)}".replace("[", r"\[")):
        LayerNormalization(**option)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_value_and_gradients_are_those_of_keras_own(dtype):
    found = []
    for layer_class in (LayerNormalization, keras.layers.LayerNormalization):
        layer = layer_class(epsilon=1e-5, dtype="float32")
        layer.build(X.shape)
        layer.set_weights(WEIGHTS)
        if layer_class is LayerNormalization:
            layer = LayerNormalization(dtype=dtype)
            layer.build(X.shape)
            layer.set_weights(WEIGHTS)

        def total(arrays, layer=layer):
            with keras.StatelessScope(list(zip(layer.weights, arrays[1:]))):
                return keras.ops.sum(UPSTREAM * keras.ops.cast(layer(arrays[0]), "float32"))

        arrays = [X, *(weight.astype("float32") for weight in WEIGHTS)]
        value, gradients = value_and_gradient(total, arrays)
        found.append([value, *gradients])
    for mine, other in zip(*found, strict=True):
        # Two roundings to bfloat16 on the way of x; the sums of the weights' gradients are float32.
        tolerance = 1e-5 if dtype == "float32" else 2e-2
        np.testing.assert_allclose(
            to_numpy(mine), to_numpy(other), rtol=0, atol=tolerance * max(np.abs(other).max(), 1)
        )
