import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import positions as positions_lib
from tests.keras_perceiver_ar.plain_decoder import (
    CONTEXT,
    HEADS,
    LAYERS,
    WIDTH,
    copy_weights,
    plain_decoder,
)
from tests.keras_perceiver_ar.support import VOCAB, compiled, random_ids, shake, to_numpy


def make_model(positions="rotary", num_layers=LAYERS, **options):
    model = kpar.models.DecoderTransformer(
        VOCAB, CONTEXT, num_layers, WIDTH, HEADS, positions=positions, **options
    )
    shake(model)
    return model


@pytest.mark.parametrize("positions", ["absolute", "learned"])
def test_it_equals_a_decoder_of_keras_own_attention(positions):
    model = make_model(positions, activation="gelu")
    table = positions_lib.table("sinusoidal", CONTEXT + 1, WIDTH)
    if positions == "learned":
        table = to_numpy(model.position_embedding.table_0)
    decoder = plain_decoder()
    copy_weights(decoder, model.token_embedding, table, model.latent_stack, model.logits)
    ids = random_ids(0, 3, CONTEXT)
    np.testing.assert_allclose(compiled(model)(ids), to_numpy(decoder(ids)), rtol=0, atol=1e-5)


def test_rotary_positions_tell_distances_alone():
    run, ids = compiled(make_model()), random_ids(0, 2, 9)
    places = np.arange(1, 10, dtype="int32") + np.zeros((2, 1), "int32")
    logits = run(ids)
    assert (run({"token_ids": ids, "positions": places}) == logits).all()
    moved = run({"token_ids": ids, "positions": places + 4})
    np.testing.assert_allclose(moved, logits, rtol=0, atol=5e-5)
    stretched = run({"token_ids": ids, "positions": 2 * places})
    assert (np.abs(stretched - logits)[:, 1:].max(-1) > 1e-3).all()


def test_positions_from_the_end_follow_the_length():
    table = kpar.layers.PositionEmbedding(CONTEXT, WIDTH, from_end=True)
    run, ids = compiled(make_model(table, num_layers=1)), random_ids(0, 2, 9)
    logits = run({"token_ids": ids, "lengths": np.array([9, 6], "int32")})
    alone = run({"token_ids": ids[1:, :6]})
    np.testing.assert_allclose(logits[1, :6], alone[0], rtol=0, atol=1e-5)


def test_positions_of_several_index_dimensions():
    rotary = kpar.layers.RotaryEmbedding(16, 1.0, num_index_dimensions=2)
    run, ids = compiled(make_model(rotary, num_layers=1)), random_ids(0, 1, 9)
    places = np.stack(np.unravel_index(np.arange(9), (3, 3)), -1)[None].astype("int32")
    logits = run({"token_ids": ids, "positions": places})
    assert logits.shape == (1, 9, VOCAB)
    assert (run({"token_ids": ids, "positions": places[..., ::-1]}) != logits).any()


def test_what_is_no_position_layer():
    with pytest.raises(ValueError, match="`positions` must be one of"):
        make_model("relative")
    with pytest.raises(ValueError, match="as wide as the embedded inputs"):
        make_model(kpar.layers.PositionEmbedding(CONTEXT, WIDTH + 2))
