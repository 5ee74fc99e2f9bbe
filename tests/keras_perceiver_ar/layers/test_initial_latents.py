import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import to_numpy

INPUTS = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")


@pytest.mark.parametrize("style", ["input", "mlp", "learned", "shared"])
@pytest.mark.parametrize("per_position", [1, 2])
def test_shapes_and_weights(style, per_position):
    layer = kpar.layers.InitialLatents(4, style, 6, per_position, num_mlp_layers=3)
    assert to_numpy(layer(INPUTS)).shape == (2, 3 * per_position, 4)
    counts = {"input": 2, "mlp": 2 + 6, "learned": 1, "shared": 1}
    assert len(layer.weights) == counts[style] + (per_position > 1)


def test_the_latents_of_a_position_stand_side_by_side_and_differ_by_a_code():
    layer = kpar.layers.InitialLatents(4, latents_per_position=2)
    latents = to_numpy(layer(INPUTS))
    code = to_numpy(layer.position_code)
    np.testing.assert_allclose(latents[:, 0::2] - code[0], latents[:, 1::2] - code[1], atol=1e-6)


def test_fewer_latents_take_the_last_of_the_learned_ones():
    layer = kpar.layers.InitialLatents(4, "learned", num_latents=6)
    layer.build((None, None, 5))
    assert (to_numpy(layer(INPUTS))[0] == to_numpy(layer.learned)[-3:]).all()


def test_the_activation_follows_every_layer_of_the_mlp():
    layer = kpar.layers.InitialLatents(4, "mlp", num_mlp_layers=1, mlp_activation="relu")
    projected = to_numpy(layer(INPUTS)).min()
    assert projected >= 0


def test_more_latents_than_learned_ones_are_refused():
    layer = kpar.layers.InitialLatents(4, "learned", num_latents=2)
    with pytest.raises(ValueError, match="There are 2 learned latents. Received: 3"):
        layer(INPUTS)


@pytest.mark.parametrize(
    "named, options",
    [
        ("`style` must be one of", {"style": "none"}),
        ("`num_latents` must be an integer", {"style": "learned"}),
        ("`latents_per_position` must be an integer", {"latents_per_position": 0}),
        ("`num_mlp_layers` must be an integer", {"num_mlp_layers": 0}),
    ],
)
def test_refusals(named, options):
    with pytest.raises(ValueError, match=named):
        kpar.layers.InitialLatents(4, **options)
