"""Released Haiku weights ↔ Keras weights.

Names of the original look like `perceiver_ar/~/cross_attention/attention/linear/w`. Linear weights
are (in, out) on both sides, so nothing is transposed.
"""

import numpy as np
from keras import ops

from keras_perceiver_ar.layers.position_embedding import PositionEmbedding
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding
from keras_perceiver_ar.models.backbone import PerceiverARBackbone
from keras_perceiver_ar.models.causal_lm import PerceiverARCausalLM
from keras_perceiver_ar.positions import sinusoidal_table

# Options of the original that have no counterpart here yet, with the values that leave them off.
_NOT_SUPPORTED = {
    "additional_cross_attend_after_layers": [],
    "encoder_use_query_residual": True,
    "include_initial_cross_attention": True,
    "initial_query_embed_style": "none",
    "initial_query_offsetting": False,
    "mask_style": "final_block",
    "num_latents_per_position": 1,
    "use_negative_rotary_positions": False,
    "latent_dropout_prob": 0.0,
    "encoder_dropout_prob": 0.0,
    "train_input_positions": 0,
}
# Its gelu is the tanh form.
_ACTIVATIONS = {
    "sq_relu": "squared_relu",
    "gelu": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}


def from_original(config, params):
    """A model with the weights of the original.

    Frozen position tables are weights there and constants here: they are compared, not loaded.

    Args:
        config: dict. `model_kwargs` (the original's own names), `num_classes`, `input_idx_size`,
            `max_context_length`.
        params: mapping of flat Haiku names (`module/name`) to arrays.

    Returns:
        `PerceiverARCausalLM`.

    Raises:
        ValueError: options that are not supported, or weights whose names, shapes or frozen values
            do not fit, all of them listed.
    """
    model = _make_model(config)
    weights, frozen = _weights(model), _frozen_tables(model)
    expected = {name: tuple(weight.shape) for name, weight in weights.items()}
    expected |= {name: table.shape for name, table in frozen.items()}
    problems = [f"missing: {name}" for name in expected if name not in params]
    problems += [f"unknown: {name}" for name in params if name not in expected]
    for name in expected.keys() & params.keys():
        shape = np.shape(params[name])
        if shape != expected[name]:
            problems.append(f"shape: {name} is {shape}, the model needs {expected[name]}")
        elif name in frozen and not np.allclose(params[name], frozen[name], atol=1e-5):
            problems.append(f"value: {name} is frozen, but it is not the sinusoidal table")
    if problems:
        listed = "\n  ".join(sorted(problems))
        raise ValueError(f"The weights do not fit the configuration:\n  {listed}")
    for name, weight in weights.items():
        weight.assign(params[name])
    return model


def to_original(model):
    """The weights of a model under the original's names.

    Args:
        model: `PerceiverARCausalLM`.

    Returns:
        dict of str to float32 NumPy arrays. Frozen position tables are written out.
    """
    weights = {
        name: ops.convert_to_numpy(weight).astype("float32")
        for name, weight in _weights(model).items()
    }
    return weights | _frozen_tables(model)


def _make_model(config):
    options = config["model_kwargs"]
    refused = [
        f"{name}={options[name]!r}"
        for name, off in _NOT_SUPPORTED.items()
        if options.get(name, off) != off
    ]
    if options["activation_name"] not in _ACTIVATIONS:
        refused.append(f"activation_name={options['activation_name']!r}")
    if refused:
        raise ValueError(
            f"Options of the original that are not supported yet: {', '.join(refused)}"
        )
    input_width, width = options["input_embed_dim"], options["num_z_channels"]
    attends_in_width_of = {"kv": input_width, "q": width}
    backbone = PerceiverARBackbone(
        vocab_size=config["num_classes"],
        max_context=config["max_context_length"],
        num_latents=options["z_index_dim"],
        num_layers=options["num_transformers_per_block"],
        width=width,
        num_heads=options["num_transformer_heads"],
        input_width=input_width,
        num_cross_heads=options["num_cross_attend_heads"],
        cross_attention_width=attends_in_width_of[options["cross_attention_shape_for_attn"]],
        mlp_factor=options["transformer_widening_factor"],
        cross_mlp_factor=options["cross_attend_widening_factor"],
        activation=_ACTIVATIONS[options["activation_name"]],
        positions=_make_positions(config, input_width),
        dropout=options["dropout_prob"],
    )
    return PerceiverARCausalLM(backbone)


def _make_positions(config, input_width):
    options = config["model_kwargs"]
    from_end = not options["use_positions_from_data"]
    if options["position_encoding_type"] == "rotary":
        return RotaryEmbedding(
            options["max_wavelength"],
            options["fraction_to_rotate"],
            options["fraction_heads_to_rotate"],
            from_end=from_end,
        )
    kinds = {("sinusoidal", False), ("sinusoidal", True), ("random", True)}
    encoding, trainable = options["position_encoding"], options["learnable_position_embeddings"]
    if (encoding, trainable) not in kinds:
        raise ValueError(
            "Options of the original that are not supported yet: "
            f"position_encoding={encoding!r}, learnable_position_embeddings={trainable}"
        )
    return PositionEmbedding(
        config["input_idx_size"],
        input_width,
        kind="learned" if encoding == "random" else encoding,
        trainable=trainable,
        from_end=from_end,
    )


def _weights(model):
    """The original's name of every weight: dict of str to Keras variable."""
    backbone = model.backbone
    root = "perceiver_ar/~"
    names = {f"{root}/embed/embeddings": backbone.token_embedding.embeddings}
    if backbone.position_embedding is not None:
        for axis, table in enumerate(backbone.position_embedding.tables):
            names[f"{root}/embed_{axis + 1}/embeddings"] = table
    names |= _linear(f"{root}/linear", backbone.latent_query)
    cross = backbone.cross_attention_block
    names |= _block(f"{root}/cross_attention", cross, ("latents_norm", "inputs_norm", "mlp_norm"))
    for index, block in enumerate(backbone.latent_blocks):
        module = "self_attention" + (f"_{index}" if index else "")
        names |= _block(f"{root}/{module}", block, ("latents_norm", "mlp_norm"))
    names |= _norm("perceiver_ar/layer_norm", backbone.final_norm)
    return names | _linear(f"{root}/logits", model.logits)


def _frozen_tables(model):
    """Position tables that are weights in the original and constants here."""
    embedding = model.backbone.position_embedding
    if embedding is None or embedding.tables:
        return {}
    return {
        f"perceiver_ar/~/embed_{axis + 1}/embeddings": sinusoidal_table(rows, embedding.width)
        for axis, rows in enumerate(embedding.num_rows)
    }


def _linear(module, dense):
    return {f"{module}/w": dense.kernel, f"{module}/b": dense.bias}


def _norm(module, norm):
    return {f"{module}/scale": norm.gamma, f"{module}/offset": norm.beta}


def _block(module, block, norms):
    """Haiku numbers modules of one kind in the order of their making: linear, linear_1 and on."""
    attention = block.attention
    names = {}
    for index, norm in enumerate(norms):
        names |= _norm(
            f"{module}/layer_norm" + (f"_{index}" if index else ""), getattr(block, norm)
        )
    projections = (
        attention.query_dense,
        attention.key_dense,
        attention.value_dense,
        attention.output_dense,
    )
    for part, layers in (("attention", projections), ("dense", (block.mlp.up, block.mlp.down))):
        for index, dense in enumerate(layers):
            names |= _linear(f"{module}/{part}/linear" + (f"_{index}" if index else ""), dense)
    return names
