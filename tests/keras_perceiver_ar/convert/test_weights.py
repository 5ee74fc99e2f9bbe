"""Names, shapes and options. That the weights act as in the original is tested in tests/golden."""

import copy
import functools

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.convert.settings import make_model
from keras_perceiver_ar.positions import table
from tests.keras_perceiver_ar.support import VOCAB, no_weights, shake, tiny_model, to_numpy

OPTIONS = {
    "activation_name": "sq_relu",
    "cross_attend_widening_factor": 2,
    "cross_attention_shape_for_attn": "kv",
    "dropout_prob": 0.25,
    "fraction_heads_to_rotate": 0.5,
    "fraction_to_rotate": 0.25,
    "input_embed_dim": 12,
    "learnable_position_embeddings": False,
    "max_wavelength": 48,
    "num_cross_attend_heads": 4,
    "num_transformer_heads": 2,
    "num_transformers_per_block": 3,
    "num_z_channels": 16,
    "position_encoding": "sinusoidal",
    "position_encoding_type": "absolute",
    "transformer_widening_factor": 3,
    "use_positions_from_data": True,
    "z_index_dim": 5,
}
TABLE = "perceiver_ar/~/embed_1/embeddings"


def make_config(**options):
    return {
        "model_kwargs": {**OPTIONS, **options},
        "num_classes": VOCAB,
        "input_idx_size": [25],
        "max_context_length": 24,
    }


@pytest.fixture(scope="module")
def params():
    """Weights of the original's names and shapes, all random but the frozen table."""
    linear = {"attention/linear": (12, 12), "attention/linear_1": (12, 12)}
    linear |= {"attention/linear_2": (12, 12), "attention/linear_3": (12, 16)}
    modules = {"perceiver_ar/~/linear": (12, 16), "perceiver_ar/~/logits": (16, VOCAB)}
    norms = {"perceiver_ar/layer_norm": 16}
    cross = "perceiver_ar/~/cross_attention"
    modules |= {f"{cross}/{name}": shape for name, shape in linear.items()}
    modules[f"{cross}/attention/linear"] = (16, 12)
    modules |= {f"{cross}/dense/linear": (16, 32), f"{cross}/dense/linear_1": (32, 16)}
    norms |= {f"{cross}/layer_norm": 16, f"{cross}/layer_norm_1": 12, f"{cross}/layer_norm_2": 16}
    for block in ("self_attention", "self_attention_1", "self_attention_2"):
        block = f"perceiver_ar/~/{block}"
        modules |= {f"{block}/{name}": (16, 16) for name in linear}
        modules |= {f"{block}/dense/linear": (16, 48), f"{block}/dense/linear_1": (48, 16)}
        norms |= {f"{block}/layer_norm": 16, f"{block}/layer_norm_1": 16}
    shapes = {"perceiver_ar/~/embed/embeddings": (VOCAB, 12)}
    for name, (fan_in, fan_out) in modules.items():
        shapes |= {f"{name}/w": (fan_in, fan_out), f"{name}/b": (fan_out,)}
    for name, width in norms.items():
        shapes |= {f"{name}/scale": (width,), f"{name}/offset": (width,)}
    random = np.random.default_rng(0)
    arrays = {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    return {**arrays, TABLE: table("sinusoidal", 25, 12)}


def test_options_become_arguments(params):
    backbone = kpar.convert.from_original(make_config(), params).backbone
    config = backbone.get_config()
    wanted = {
        "vocab_size": VOCAB,
        "max_context": 24,
        "num_latents": 5,
        "num_layers": 3,
        "width": 16,
        "num_heads": 2,
        "input_width": 12,
        "mlp_factor": 3,
    }
    assert {name: config[name] for name in wanted} == wanted
    cross_attend, query = backbone.cross_attend, backbone.latent_query
    assert (cross_attend.num_heads, cross_attend.width, cross_attend.mlp_factor) == (4, 12, 2)
    assert cross_attend.initial and cross_attend.query_residual and not cross_attend.after_layers
    assert (query.style, query.latents_per_position, query.offset) == ("input", 1, False)
    assert backbone.dropout_rates == kpar.models.DropoutRates(outputs=0.25)
    assert backbone.activation is kpar.layers.squared_relu
    embedding = backbone.position_embedding
    assert (embedding.num_rows, embedding.kind, embedding.from_end) == ((25,), "sinusoidal", False)


def test_rotary_options_become_a_layer(params):
    options = {"position_encoding_type": "rotary", "use_positions_from_data": False}
    weights = {name: array for name, array in params.items() if name != TABLE}
    rotary = kpar.convert.from_original(make_config(**options), weights).backbone.rotary
    assert rotary.max_wavelength == 48
    assert (rotary.channel_fraction, rotary.head_fraction) == (0.25, 0.5)
    assert rotary.from_end


def test_round_trip_is_exact(params):
    written = kpar.convert.to_original(kpar.convert.from_original(make_config(), params))
    assert written.keys() == params.keys()
    for name, array in params.items():
        assert written[name].dtype == np.float32
        assert (written[name] == array).all(), name


def test_every_weight_has_a_name(params):
    model = kpar.convert.from_original(make_config(), params)
    assert len(model.trainable_weights) == len(params) - 1  # the table is none
    model = tiny_model("learned")
    assert len(kpar.convert.to_original(model)) == len(model.weights)


def test_a_model_made_here_goes_there_and_back():
    model = tiny_model(
        "absolute",
        num_layers=3,
        mlp_factor=3,
        cross_attend=kpar.models.CrossAttend(num_heads=4, mlp_factor=2),
    )
    params = kpar.convert.to_original(model)
    again = kpar.convert.from_original(make_config(z_index_dim=4), params)
    inputs = {"token_ids": np.arange(3, 15)[None]}
    assert (to_numpy(again(inputs)) == to_numpy(model(inputs))).all()


def test_frozen_tables_are_written_and_compared_not_loaded(params):
    model = kpar.convert.from_original(make_config(), params)
    assert (kpar.convert.to_original(model)[TABLE] == table("sinusoidal", 25, 12)).all()
    spoiled = {**params, TABLE: params[TABLE] + 1e-3}
    with pytest.raises(ValueError, match=f"value: {TABLE} is frozen"):
        kpar.convert.from_original(make_config(), spoiled)
    trained = make_config(learnable_position_embeddings=True)
    model = kpar.convert.from_original(trained, spoiled)
    assert (kpar.convert.to_original(model)[TABLE] == spoiled[TABLE]).all()


def test_all_that_does_not_fit_is_listed_at_once(params):
    wrong = copy.copy(params)
    del wrong["perceiver_ar/~/linear/w"], wrong["perceiver_ar/layer_norm/scale"]
    wrong["perceiver_ar/~/linear_1/w"] = np.zeros(3)
    wrong["perceiver_ar/~/logits/b"] = np.zeros(7)
    wrong[TABLE] = np.zeros((24, 12))
    norm = "perceiver_ar/~/cross_attention/layer_norm"
    wrong[f"{norm}/scale"] = np.where(np.arange(16) == 3, np.nan, 1.0)
    wrong[f"{norm}/offset"] = np.full(16, 1j)
    with pytest.raises(ValueError) as error:
        kpar.convert.from_original(make_config(), wrong)
    assert str(error.value).splitlines() == [
        "The weights do not fit the configuration:",
        "  missing: perceiver_ar/layer_norm/scale",
        "  missing: perceiver_ar/~/linear/w",
        f"  shape: {TABLE} is (24, 12), the model needs (25, 12)",
        f"  shape: perceiver_ar/~/logits/b is (7,), the model needs ({VOCAB},)",
        "  unknown: perceiver_ar/~/linear_1/w",
        f"  value: {norm}/offset holds what is no finite real number",
        f"  value: {norm}/scale holds what is no finite real number",
    ]


@pytest.mark.parametrize(
    "option, value, found",
    [
        ("additional_cross_attend_after_layers", [2, 0], ("cross_attend.after_layers", (0, 2))),
        ("encoder_use_query_residual", False, ("cross_attend.query_residual", False)),
        ("include_initial_cross_attention", False, ("cross_attend.initial", False)),
        ("cross_attention_head_group_size", 2, ("cross_attend.route.head_group_size", 2)),
        ("initial_query_embed_style", "mlp", ("latent_query.style", "mlp")),
        ("initial_query_embed_style", "learned", ("latent_query.style", "learned")),
        ("initial_query_embed_num_layers", 3, ("latent_query.num_mlp_layers", 3)),
        ("initial_query_offsetting", True, ("latent_query.offset", True)),
        ("latent_dropout_prob", 0.1, ("dropout_rates.latents", 0.1)),
        ("encoder_dropout_prob", 0.1, ("dropout_rates.inputs", 0.1)),
        ("train_input_positions", 12, ("dropout_rates.keep_inputs", 12)),
        ("position_encoding", "fourier", ("position_embedding.kind", "fourier")),
        ("position_encoding", "random", ("position_embedding.trainable", False)),
        ("learnable_position_embeddings", True, ("position_embedding.trainable", True)),
    ],
)
def test_every_option_arrives(option, value, found):
    backbone = make_model(make_config(**{option: value})).backbone
    path, wanted = found
    assert functools.reduce(getattr, path.split("."), backbone) == wanted


def test_chunks_count_only_if_they_are_asked_for():
    sizes = {"chunked_cross_query_size": 3, "chunked_cross_key_size": 7}
    route = make_model(make_config(**sizes)).backbone.cross_attend.route
    assert route == kpar.models.AttentionRoute()
    sizes["chunked_cross_attention"] = True
    route = make_model(make_config(**sizes)).backbone.cross_attend.route
    assert (route.query_chunk_size, route.key_chunk_size) == (3, 7)


def test_rotary_positions_that_run_past_the_context():
    options = {"position_encoding_type": "rotary", "initial_query_offsetting": True}
    options |= {"use_positions_from_data": False, "use_negative_rotary_positions": True}
    rotary = make_model(make_config(**options)).backbone.rotary
    assert (rotary.max_wavelength, rotary.negative) == (49, True)


def test_what_is_left_out_has_the_original_s_default():
    config = make_config()
    config["model_kwargs"] = {"position_encoding_type": "rotary"}
    config["max_context_length"] = 1024
    with no_weights():  # 150 million that nobody needs
        model = make_model(config)
    backbone = model.backbone
    assert (backbone.num_layers, backbone.width, backbone.num_heads) == (12, 1024, 8)
    assert backbone.cross_attend.num_heads == 1 and backbone.mlp_factor == 1
    assert backbone.rotary.channel_fraction == 0.25 and backbone.rotary.from_end


def test_all_settings_that_the_original_does_not_have_are_listed_at_once():
    config = make_config(activation_name="magic", mask_style="x", num_layers=3)
    with pytest.raises(ValueError) as error:
        kpar.convert.from_original(config, {})
    for option in ("activation_name='magic'", "mask_style='x'", "num_layers is unknown"):
        assert option in str(error.value)


def test_tied_embeddings_have_no_name_there():
    backbone = tiny_model(input_width=16).backbone
    model = kpar.models.PerceiverARCausalLM(backbone, tie_embeddings=True)
    with pytest.raises(ValueError, match="tie_embeddings=True"):
        kpar.convert.to_original(model)


def test_original_weights_follow_the_model():
    model = tiny_model()
    before = kpar.convert.to_original(model)
    shake(model, seed=1)
    after = kpar.convert.to_original(model)
    assert all((before[name] != after[name]).any() for name in before)


@pytest.mark.parametrize("name", ["num_classes", "model_kwargs", "input_idx_size"])
def test_a_config_with_something_missing_is_refused_by_name(name):
    config = make_config()
    del config[name]
    with pytest.raises(ValueError, match=f"Missing: {name}"):
        kpar.convert.from_original(config, {})
