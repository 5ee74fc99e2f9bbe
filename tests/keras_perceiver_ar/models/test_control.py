"""With a latent on every input and nothing to read, the model is a plain causal decoder."""

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import VOCAB, compiled, random_ids, shake, to_numpy

CONTEXT, WIDTH, HEADS, LAYERS = 20, 16, 4, 3


def plain_decoder():
    """Pre-norm decoder of Keras' own layers, with learned positions 1, 2, 3, …"""
    ids = keras.Input((CONTEXT,), dtype="int32")
    x = keras.layers.Embedding(VOCAB, WIDTH, name="tokens")(ids)
    places = keras.ops.cumsum(keras.ops.ones_like(ids), axis=1)
    x = x + keras.layers.Embedding(CONTEXT + 1, WIDTH, name="positions")(places)
    x = keras.layers.Dense(WIDTH, name="query")(x)
    for layer in range(LAYERS):
        normed = keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{layer}")(x)
        attention = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"mha_{layer}")
        x = x + attention(normed, normed, use_causal_mask=True)
        hidden = keras.layers.LayerNormalization(epsilon=1e-5, name=f"mlp_norm_{layer}")(x)
        hidden = keras.layers.Dense(4 * WIDTH, activation="gelu", name=f"up_{layer}")(hidden)
        x = x + keras.layers.Dense(WIDTH, name=f"down_{layer}")(hidden)
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return keras.Model(ids, keras.layers.Dense(VOCAB, name="logits")(x))


def copy_weights(model, decoder):
    backbone = model.backbone

    def copy(layer, name):
        decoder.get_layer(name).set_weights(layer.get_weights())

    copy(backbone.token_embedding, "tokens")
    decoder.get_layer("positions").set_weights(backbone.position_embedding.get_weights())
    copy(backbone.initial_latents.projection, "query")
    for layer, block in enumerate(backbone.latent_stack.latent_blocks):
        copy(block.latents_norm, f"norm_{layer}")
        copy(block.mlp_norm, f"mlp_norm_{layer}")
        copy(block.mlp.up, f"up_{layer}")
        copy(block.mlp.down, f"down_{layer}")
        weights, shape = [], (WIDTH, HEADS, WIDTH // HEADS)
        attention = block.attention
        for dense in (attention.query_dense, attention.key_dense, attention.value_dense):
            kernel, bias = dense.get_weights()
            weights += [kernel.reshape(shape), bias.reshape(shape[1:])]
        kernel, bias = attention.output_dense.get_weights()
        weights += [kernel.reshape(HEADS, WIDTH // HEADS, WIDTH), bias]
        decoder.get_layer(f"mha_{layer}").set_weights(weights)
    copy(backbone.latent_stack.final_norm, "norm")
    copy(model.logits, "logits")


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
    decoder = plain_decoder()
    copy_weights(model, decoder)
    ids = random_ids(0, rows, CONTEXT)
    np.testing.assert_allclose(compiled(model)(ids), to_numpy(decoder(ids)), rtol=0, atol=1e-5)
