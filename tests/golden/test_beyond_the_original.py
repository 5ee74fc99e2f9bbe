"""Options that no figure covers, against the plain NumPy forward.

Among them the four combinations at which the original crashes: a query offset with absolute
positions, several latents a position with rotary ones, learned queries with several latents, and
chunks of queries that do not divide.
"""

import random

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.convert.settings import make_model
from tests.golden.cases import Case
from tests.golden.numpy_forward import forward
from tests.keras_perceiver_ar.support import compiled, shake, to_numpy

BASE = Case("a_abs_sinusoidal").config["model_kwargs"] | {
    "input_embed_dim": 12,
    "num_z_channels": 16,
    "num_cross_attend_heads": 4,
    "num_transformer_heads": 2,
    "num_transformers_per_block": 2,
    "cross_attend_widening_factor": 2,
    "transformer_widening_factor": 3,
    "z_index_dim": 8,
    "max_wavelength": 24,
    "use_positions_from_data": True,
    "position_encoding_type": "absolute",
}
CHUNKS = {"chunked_cross_attention": True, "chunked_cross_query_size": 3}
CRASHES = {
    "query offset with absolute positions": {"initial_query_offsetting": True},
    "two latents with rotary positions": {
        "num_latents_per_position": 2,
        "position_encoding_type": "rotary",
    },
    "learned queries of two latents": {
        "num_latents_per_position": 2,
        "initial_query_embed_style": "learned",
    },
    "one learned query of two latents": {
        "num_latents_per_position": 2,
        "initial_query_embed_style": "learned",
        "share_learned_initial_query": True,
    },
    "a query chunk that does not divide": {**CHUNKS, "chunked_cross_key_size": 5},
}
CHOICES = {
    "position_encoding_type": ["absolute", "rotary"],
    "position_encoding": ["sinusoidal", "linear", "fourier", "random"],
    "learnable_position_embeddings": [False, True],
    "use_positions_from_data": [False, True],
    "use_negative_rotary_positions": [False, True],
    "fraction_to_rotate": [0.25, 0.5, 1.0],
    "fraction_heads_to_rotate": [0.5, 1.0],
    "num_latents_per_position": [1, 2, 4],
    "initial_query_embed_style": ["none", "mlp", "learned"],
    "initial_query_embed_num_layers": [1, 2, 3],
    "initial_query_embed_activation_name": ["sq_relu", "gelu", "silu"],
    "share_learned_initial_query": [False, True],
    "initial_query_offsetting": [False, True],
    "include_initial_cross_attention": [False, True, True],
    "additional_cross_attend_after_layers": [[], [0], [1, 0]],
    "cross_attention_shape_for_attn": ["kv", "q"],
    "encoder_use_query_residual": [False, True],
    "activation_name": ["sq_relu", "gelu", "relu", "silu"],
    "cross_attention_head_group_size": [0, 1, 2],
}


def draw(number):
    generator = random.Random(number)
    options = {name: generator.choice(values) for name, values in CHOICES.items()}
    if options["cross_attention_head_group_size"] == 0 and number % 2:
        options |= {**CHUNKS, "chunked_cross_key_size": generator.choice([5, 12, 99])}
    learned = options["initial_query_embed_style"] == "learned"
    if learned and options["position_encoding_type"] == "absolute":
        options["initial_query_offsetting"] = False  # it would change nothing, and is refused
    if learned and not options["additional_cross_attend_after_layers"]:
        options["include_initial_cross_attention"] = True  # it would see nothing: refused too
    return options


def check(options):
    config = {
        "model_kwargs": BASE | options,
        "num_classes": 20,
        "max_context_length": 24,
        "input_idx_size": [25],
    }
    model = make_model(config)
    shake(model)
    generator = np.random.default_rng(1)
    token_ids = generator.integers(3, 20, (4, 24)).astype("int32")
    lengths = np.array([24, 17, 3, 0])  # one is shorter than the latents, one is empty
    token_ids[np.arange(24) >= lengths[:, None]] = 0
    positions = np.where(token_ids > 0, np.arange(24) + 1, 0).astype("int32")
    logits = compiled(model)({"token_ids": token_ids, "positions": positions})
    wanted = forward(config, kpar.convert.to_original(model), token_ids, positions[..., None])
    scale = max(1.0, np.abs(wanted["logits"]).max() / 10)
    np.testing.assert_allclose(logits, wanted["logits"], rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("name", CRASHES)
def test_combinations_at_which_the_original_crashes(name):
    check(CRASHES[name])


@pytest.mark.parametrize(
    "number",
    [*range(8), *(pytest.param(number, marks=pytest.mark.slow) for number in range(8, 24))],
)
def test_options_drawn_at_random(number):
    check(draw(number))


def test_a_frozen_random_table_goes_there_and_back():
    options = {"position_encoding": "random", "learnable_position_embeddings": False}
    config = {
        "model_kwargs": BASE | options,
        "num_classes": 20,
        "max_context_length": 24,
        "input_idx_size": [25],
    }
    model = make_model(config)
    params = kpar.convert.to_original(model)
    again = kpar.convert.from_original(config, params)
    table = again.backbone.position_embedding.tables[0]
    assert (to_numpy(table) == params["perceiver_ar/~/embed_1/embeddings"]).all()
