"""The three settings that the original released, by their sizes."""

import functools
import json
import math

import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.convert.settings import make_model
from tests.golden.cases import SHARED
from tests.keras_perceiver_ar.support import no_weights

RELEASED = {
    "activation_name": "sq_relu",
    "cross_attend_widening_factor": 4,
    "dropout_prob": 0.1,
    "input_embed_dim": 1024,
    "num_cross_attend_heads": 16,
    "num_transformer_heads": 16,
    "num_z_channels": 1024,
    "position_encoding_type": "absolute",
    "transformer_widening_factor": 4,
    "use_positions_from_data": True,
    "z_index_dim": 1024,
}
# Settings beside the common ones, vocabulary, rows of the tables, and parameters as the original
# counts them.
SWEEPS = {
    "random_mirrored_32": (
        {"num_transformers_per_block": 1, "z_index_dim": 16},
        (259, 32, [33]),
        26_810_627,
    ),
    "random_mirrored_131072": (
        {"num_transformers_per_block": 6, "cross_attention_head_group_size": 4},
        (259, 131_072, [131_073]),
        223_976_707,
    ),
    "imagenet_w_positions": (
        {
            "num_transformers_per_block": 60,
            "position_encoding": "random",
            "learnable_position_embeddings": True,
        },
        (259, 12_416, [66, 66, 5]),
        770_094_339,
    ),
}


@functools.cache
def make(name):
    settings, (vocabulary, context, rows), _ = SWEEPS[name]
    config = {
        "model_kwargs": RELEASED | settings,
        "num_classes": vocabulary,
        "max_context_length": context,
        "input_idx_size": rows,
    }
    with no_weights():  # three gigabytes that nobody needs
        return make_model(config)


@pytest.mark.parametrize("name", SWEEPS)
def test_it_has_as_many_parameters_as_the_original_counts(name):
    model = make(name)
    shapes = kpar.convert.original_shapes(model)
    total = SWEEPS[name][2]
    assert sum(math.prod(shape) for shape in shapes.values()) == total
    # Frozen tables are parameters there and constants here.
    embedding = model.backbone.position_embedding
    constants = 0 if embedding.tables else sum(embedding.num_rows) * embedding.width
    assert model.count_params() == total - constants


@pytest.mark.parametrize("name", SWEEPS)
def test_their_names_and_shapes(shared, name):
    published = json.loads((SHARED / "published_sweeps_param_shapes.json").read_text())[name]
    wanted = {key: tuple(shape) for key, shape in published["params"].items()}
    assert kpar.convert.original_shapes(make(name)) == wanted
