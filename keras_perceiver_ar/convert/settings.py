"""The original's settings → a model of this package, without its weights."""

from keras_perceiver_ar.attention import AttentionRoute
from keras_perceiver_ar.layers.position_embedding import PositionEmbedding
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding
from keras_perceiver_ar.models.backbone import PerceiverARBackbone
from keras_perceiver_ar.models.causal_lm import PerceiverARCausalLM
from keras_perceiver_ar.models.cross_attend import CrossAttend
from keras_perceiver_ar.models.dropout_rates import DropoutRates
from keras_perceiver_ar.models.latent_query import LatentQuery

# Names of `jax.nn`; its gelu is the tanh form.
_ACTIVATIONS = {
    "sq_relu": "squared_relu",
    "gelu": "gelu_tanh",
    **{name: name for name in ("celu", "elu", "leaky_relu", "relu", "selu", "sigmoid", "silu")},
    **{name: name for name in ("softplus", "swish", "tanh")},
}
_STYLES = {("none", False): "input", ("mlp", False): "mlp"}
_STYLES |= {("none", True): "input", ("mlp", True): "mlp"}
_STYLES |= {("learned", False): "learned", ("learned", True): "shared"}
_TABLES = {"sinusoidal": "sinusoidal", "linear": "linear", "fourier": "fourier"}
_TABLES |= {"random": "learned"}
_SHAPES = ("kv", "q")
# Values of `get_config` of the original's experiment and of its model, for what is left out.
DEFAULTS = {
    "input_embed_dim": 1024,
    "position_encoding": "sinusoidal",
    "learnable_position_embeddings": False,
    "num_transformers_per_block": 12,
    "z_index_dim": 1024,
    "num_z_channels": 1024,
    "num_cross_attend_heads": 1,
    "num_transformer_heads": 8,
    "cross_attend_widening_factor": 1,
    "transformer_widening_factor": 1,
    "initial_query_offsetting": False,
    "initial_query_embed_style": "none",
    "share_learned_initial_query": False,
    "initial_query_embed_activation_name": "sq_relu",
    "initial_query_embed_num_layers": 2,
    "include_initial_cross_attention": True,
    "additional_cross_attend_after_layers": None,
    "dropout_prob": 0.0,
    "cross_attention_shape_for_attn": "kv",
    "encoder_use_query_residual": True,
    "mask_style": "final_block",
    "latent_dropout_prob": 0.0,
    "encoder_dropout_prob": 0.0,
    "num_latents_per_position": 1,
    "activation_name": "sq_relu",
    "fraction_to_rotate": 0.25,
    "fraction_heads_to_rotate": 1.0,
    "max_wavelength": 8192,
    "cross_attention_head_group_size": 0,
    "chunked_cross_attention": False,
    "chunked_cross_query_size": 1024,
    "chunked_cross_key_size": 4096,
    "use_positions_from_data": False,
    "train_input_positions": 0,
    "final_layer_init_zeros": True,
    "use_negative_rotary_positions": False,
    # Read by nothing in the original, or only where weights are made.
    "concat_pos": True,
    "z_pos_enc_init_scale": 0.02,
}


def make_model(config):
    """A new model with the settings of the original.

    Args:
        config: dict. `model_kwargs` (the original's own names; what is left out has its default),
            `num_classes`, `input_idx_size`, `max_context_length`.

    Returns:
        `PerceiverARCausalLM`.

    Raises:
        ValueError: settings that are unknown, all of them listed, or that contradict each other.
    """
    needed = ("model_kwargs", "num_classes", "input_idx_size", "max_context_length")
    missing = [name for name in needed if name not in config]
    if missing:
        raise ValueError(f"`config` must hold {', '.join(needed)}. Missing: {', '.join(missing)}")
    given = config["model_kwargs"]
    options = {**DEFAULTS, **given}
    _check(given, options)
    width, input_width = options["num_z_channels"], options["input_embed_dim"]
    chunked = options["chunked_cross_attention"]
    shape = options["cross_attention_shape_for_attn"]
    layers = tuple(options["additional_cross_attend_after_layers"] or ())
    initial = options["include_initial_cross_attention"]
    style = _STYLES[
        options["initial_query_embed_style"], bool(options["share_learned_initial_query"])
    ]
    reads = initial or layers
    backbone = PerceiverARBackbone(
        vocab_size=config["num_classes"],
        max_context=config["max_context_length"],
        num_latents=options["z_index_dim"],
        num_layers=options["num_transformers_per_block"],
        width=width,
        num_heads=options["num_transformer_heads"],
        input_width=input_width,
        mlp_factor=options["transformer_widening_factor"],
        activation=_ACTIVATIONS[options["activation_name"]],
        positions=_make_positions(config, options),
        cross_attend=CrossAttend(
            num_heads=options["num_cross_attend_heads"],
            width=input_width if shape == "kv" else width,
            mlp_factor=options["cross_attend_widening_factor"],
            initial=initial,
            after_layers=layers,
            query_residual=options["encoder_use_query_residual"],
            route=AttentionRoute(
                head_group_size=options["cross_attention_head_group_size"] or None,
                query_chunk_size=options["chunked_cross_query_size"] if chunked else None,
                key_chunk_size=options["chunked_cross_key_size"] if chunked else None,
            ),
        ),
        latent_query=LatentQuery(
            style=style,
            latents_per_position=options["num_latents_per_position"],
            num_mlp_layers=options["initial_query_embed_num_layers"],
            mlp_activation=_ACTIVATIONS[options["initial_query_embed_activation_name"]],
            offset=options["initial_query_offsetting"],
        ),
        dropout=DropoutRates(
            outputs=options["dropout_prob"],
            latents=options["latent_dropout_prob"],
            inputs=options["encoder_dropout_prob"] if reads else 0.0,
            keep_inputs=(options["train_input_positions"] if reads else None) or None,
        ),
    )
    return PerceiverARCausalLM(backbone, zero_logits=options["final_layer_init_zeros"])


def _check(given, options):
    choices = {
        "position_encoding_type": ("absolute", "rotary"),
        "position_encoding": tuple(_TABLES),
        "initial_query_embed_style": ("none", "mlp", "learned"),
        "cross_attention_shape_for_attn": _SHAPES,
        "mask_style": ("final_block",),
        "activation_name": tuple(_ACTIVATIONS),
        "initial_query_embed_activation_name": tuple(_ACTIVATIONS),
    }
    problems = [f"{name} is unknown" for name in given if name not in DEFAULTS.keys() | choices]
    problems += [
        f"{name}={options.get(name)!r} (there is {', '.join(values)})"
        for name, values in choices.items()
        if options.get(name) not in values
    ]
    if problems:
        raise ValueError(f"Settings that the original does not have: {'; '.join(problems)}")


def _make_positions(config, options):
    from_end = not options["use_positions_from_data"]
    if options["position_encoding_type"] == "rotary":
        return RotaryEmbedding(
            options["max_wavelength"] + int(options["initial_query_offsetting"]),
            options["fraction_to_rotate"],
            options["fraction_heads_to_rotate"],
            from_end=from_end,
            negative=from_end and options["use_negative_rotary_positions"],
        )
    # −1 is a table as long as the context.
    rows = [
        size if size != -1 else config["max_context_length"] for size in config["input_idx_size"]
    ]
    return PositionEmbedding(
        rows,
        options["input_embed_dim"],
        kind=_TABLES[options["position_encoding"]],
        trainable=options["learnable_position_embeddings"],
        from_end=from_end,
    )
