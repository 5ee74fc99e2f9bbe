"""With a latent on every input and nothing to read, the model is a plain causal decoder."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.plain_decoder import (
    CONTEXT,
    HEADS,
    LAYERS,
    WIDTH,
    copy_weights,
    plain_decoder,
)
from tests.keras_perceiver_ar.support import VOCAB, compiled, random_ids, shake, to_numpy


@pytest.mark.parametrize("rows", [1, 3])
def test_it_equals_a_decoder_of_keras_own_attention(rows):
    backbone = kpar.models.PerceiverARBackbone(
        VOCAB,
        max_context=CONTEXT,
        num_latents=CONTEXT,
        num_layers=LAYERS,
        width=WIDTH,
        num_heads=HEADS,
        activation="gelu",
        positions="learned",
        cross_attend=kpar.models.CrossAttend(initial=False),
    )
    model = kpar.models.PerceiverARCausalLM(backbone)
    shake(model)
    decoder = plain_decoder(projects_inputs=True)
    copy_weights(
        decoder,
        backbone.token_embedding,
        to_numpy(backbone.position_embedding.table_0),
        backbone.latent_stack,
        model.logits,
        backbone.initial_latents.projection,
    )
    ids = random_ids(0, rows, CONTEXT)
    np.testing.assert_allclose(compiled(model)(ids), to_numpy(decoder(ids)), rtol=0, atol=1e-5)
