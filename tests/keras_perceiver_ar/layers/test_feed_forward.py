import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.layers.feed_forward import gelu_tanh, get_activation
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import GOLDEN, to_numpy

X = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")


@pytest.mark.parametrize("width", [None, 5])
def test_common_checks(tmp_path, width):
    config = {"hidden_width": 16, "width": width, "activation": "gelu_tanh"}
    check_layer(kpar.layers.FeedForward, config, {"x": X}, (2, 3, width or 8), 4, tmp_path)


@pytest.mark.parametrize(
    "name, original",
    [("squared_relu", "sq_relu"), ("gelu_tanh", "gelu"), ("relu", "relu"), ("silu", "silu")],
)
def test_activations_of_the_original(name, original):
    golden = np.load(GOLDEN / "primitives.npz")
    values = get_activation(name)(keras.ops.convert_to_tensor(golden["act_x"]))
    np.testing.assert_allclose(to_numpy(values), golden[f"act_{original}"], rtol=1e-6, atol=2e-7)


def test_up_activation_down():
    layer = kpar.layers.FeedForward(16)
    result = to_numpy(layer(X))
    up, down = layer.up.get_weights(), layer.down.get_weights()
    wanted = np.maximum(X @ up[0] + up[1], 0) ** 2 @ down[0] + down[1]
    np.testing.assert_allclose(result, wanted, rtol=0, atol=2e-6)


def test_initial_weights_have_the_variance_of_haiku():
    layer = kpar.layers.FeedForward(400)
    layer.build((None, 100))
    kernel = to_numpy(layer.up.kernel)
    assert kernel.std() == pytest.approx(0.1, rel=0.02)
    assert np.abs(kernel).max() <= 2 * 0.1 / 0.8796 + 1e-6  # cut at two deviations
    assert (to_numpy(layer.up.bias) == 0).all()


def test_activations_by_name_or_function():
    assert get_activation("squared_relu") is kpar.layers.squared_relu
    assert get_activation(gelu_tanh) is gelu_tanh
    with pytest.raises(ValueError, match="no_such"):
        get_activation("no_such")
