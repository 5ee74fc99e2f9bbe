"""A decoder of Keras' own layers, to compare models with."""

import keras

from tests.keras_perceiver_ar.support import VOCAB

CONTEXT, WIDTH, HEADS, LAYERS = 20, 16, 4, 3


def plain_decoder(projects_inputs=False):
    """Pre-norm decoder with a table of positions 1, 2, 3, …

    Args:
        projects_inputs: bool. Whether a dense layer follows the embeddings.
    """
    ids = keras.Input((CONTEXT,), dtype="int32")
    x = keras.layers.Embedding(VOCAB, WIDTH, name="tokens")(ids)
    places = keras.ops.cumsum(keras.ops.ones_like(ids), axis=1)
    x = x + keras.layers.Embedding(CONTEXT + 1, WIDTH, name="positions")(places)
    if projects_inputs:
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


def copy_weights(decoder, token_embedding, positions, latent_stack, logits, projection=None):
    """Gives the decoder the weights of a model's parts.

    Args:
        decoder: of `plain_decoder`.
        token_embedding: `Embedding`.
        positions: array (CONTEXT + 1, WIDTH).
        latent_stack: `LatentStack` of latent blocks.
        logits: `Dense`.
        projection: `Dense` or None, of the inputs.
    """

    def copy(layer, name):
        decoder.get_layer(name).set_weights(layer.get_weights())

    copy(token_embedding, "tokens")
    decoder.get_layer("positions").set_weights([positions])
    if projection is not None:
        copy(projection, "query")
    for layer, block in enumerate(latent_stack.latent_blocks):
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
    copy(latent_stack.final_norm, "norm")
    copy(logits, "logits")
