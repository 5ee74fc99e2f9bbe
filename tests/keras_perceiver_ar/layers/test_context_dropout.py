import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import masks
from tests.keras_perceiver_ar.support import to_numpy

INPUTS = np.arange(2 * 30 * 3, dtype="float32").reshape(2, 30, 3)
LENGTHS = np.array([30, 12], "int32")
SEED = np.array([1, 2], "uint32")


def call(layer, **options):
    inputs, steps = layer(INPUTS, lengths=LENGTHS, num_positions=5, seed=SEED, **options)
    return to_numpy(inputs), to_numpy(steps)


@pytest.mark.parametrize("options", [{"rate": 0.5}, {"keep": 9}, {}])
def test_nothing_is_left_out_but_in_training(options):
    inputs, steps = call(kpar.layers.ContextDropout(**options))
    assert (inputs == INPUTS).all()
    assert (steps == np.arange(30)).all()


def test_inputs_that_are_not_kept_are_gone():
    inputs, steps = call(kpar.layers.ContextDropout(keep=9), training=True)
    assert inputs.shape == (2, 9, 3)
    assert (inputs == np.take_along_axis(INPUTS, steps[..., None], axis=1)).all()
    assert steps[0, -5:].tolist() == [25, 26, 27, 28, 29]  # the latents' own
    assert {7, 8, 9, 10, 11} <= set(steps[1].tolist())


def test_more_than_there_are_is_all():
    inputs, steps = call(kpar.layers.ContextDropout(keep=99), training=True)
    assert (inputs == INPUTS).all() and (steps == np.arange(30)).all()


def test_the_mask_hides_what_was_dropped():
    layer = kpar.layers.ContextDropout(rate=0.8, prefix_only=False)
    inputs, steps = call(layer, training=True)
    assert (inputs == INPUTS).all()
    latents = masks.latent_steps(LENGTHS, 5)
    mask = to_numpy(masks.cross_attention_mask(latents, steps).dense())
    full = to_numpy(masks.cross_attention_mask(latents, 30).dense())
    assert (mask <= full).all() and mask.sum() < 0.5 * full.sum()
    assert mask.any(-1).all()  # nobody reads nothing


def test_a_seed_decides_and_without_one_the_layer_s_own():
    layer = kpar.layers.ContextDropout(rate=0.5, seed=3)
    assert (call(layer, training=True)[1] == call(layer, training=True)[1]).all()
    first = to_numpy(layer(INPUTS, training=True)[1])
    assert (first != to_numpy(layer(INPUTS, training=True)[1])).any()


@pytest.mark.parametrize(
    "named, options",
    [
        (r"`rate` must lie in \[0, 1\)", {"rate": 1.0}),
        ("`keep` must be an integer ≥ 1", {"keep": 0}),
        ("Give `rate` or `keep`", {"rate": 0.5, "keep": 3}),
    ],
)
def test_refusals(named, options):
    with pytest.raises(ValueError, match=named):
        kpar.layers.ContextDropout(**options)


def test_fewer_than_are_spared_are_refused():
    with pytest.raises(ValueError, match="at least 6. Received: keep=5"):
        call(kpar.layers.ContextDropout(keep=5), training=True)


def test_config_round_trip():
    layer = kpar.layers.ContextDropout(keep=9, prefix_only=False, seed=4)
    again = kpar.layers.ContextDropout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (call(again, training=True)[1] == call(layer, training=True)[1]).all()
