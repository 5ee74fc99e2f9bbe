import numpy as np
import pytest
from keras import ops

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.layer_checks import check_layer
from tests.keras_perceiver_ar.support import shake, to_numpy, value_and_gradient

RANDOM = np.random.default_rng(0)
SEGMENT = RANDOM.normal(size=(2, 3, 8)).astype("float32")
MEMORY = RANDOM.normal(size=(2, 4, 8)).astype("float32")
MASK = np.tril(np.ones((2, 3, 7), "bool"), 4)


def make_block(**options):
    block = kpar.layers.RelativeBlock(2, num_positions=7, **options)
    block.build(SEGMENT.shape)
    shake(block)
    return block


def test_common_checks(tmp_path):
    inputs = {"latents": SEGMENT, "memory": MEMORY, "attention_mask": MASK}
    config = {"num_heads": 2, "num_positions": 7, "position_width": 6, "mlp_factor": 1.5}
    config |= {"attention_width": 12, "dropout": 0.0}
    check_layer(kpar.layers.RelativeBlock, config, inputs, SEGMENT.shape, 19, tmp_path)


def test_it_is_pre_norm_over_memory_and_segment_alike():
    block = make_block()
    everything = np.concatenate([MEMORY, SEGMENT], axis=1)
    normed, places = to_numpy(block.latents_norm(everything)), np.arange(7)
    attended = block.attention(
        normed[:, 4:], normed, MASK, query_positions=places[4:], key_positions=places
    )
    middle = SEGMENT + to_numpy(attended)
    wanted = middle + to_numpy(block.mlp(block.mlp_norm(middle)))
    result = block(SEGMENT, memory=MEMORY, attention_mask=MASK)
    np.testing.assert_allclose(to_numpy(result), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rematerialize", [False, True])
def test_no_gradient_flows_into_the_memory(rematerialize):
    block = make_block(rematerialize=rematerialize)

    def total(arrays):
        output = block(arrays[0], memory=arrays[1], attention_mask=MASK, training=True)
        # TensorFlow has no gradient, rather than one of 0, for what a result does not depend on.
        return ops.sum(ops.square(output)) + 0.0 * ops.sum(arrays[1])

    _, (of_segment, of_memory) = value_and_gradient(total, [SEGMENT, MEMORY])
    assert (of_segment != 0).any(-1).all()
    assert (of_memory == 0).all()


def test_more_entries_than_positions():
    with pytest.raises(ValueError, match="num_positions=7, 8 entries"):
        make_block()(SEGMENT, memory=np.zeros((2, 5, 8), "float32"))
