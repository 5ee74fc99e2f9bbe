"""Weights of the original by their names, and weights of a model by the original's.

Names of the original look like `perceiver_ar/~/cross_attention/attention/linear/w`. Linear weights
are (in, out) on both sides, so nothing is transposed.
"""

import numpy as np
from keras import ops

from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.convert.settings import make_model
from keras_perceiver_ar.layers.latent_block import LatentBlock


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
        ValueError: settings that the original does not have, or weights whose names, shapes or
            values do not fit, all of them listed.
    """
    model = make_model(config)
    weights, frozen = _weights(model), _frozen_tables(model)
    expected = original_shapes(model)
    problems = [f"missing: {name}" for name in expected if name not in params]
    problems += [f"unknown: {name}" for name in params if name not in expected]
    for name in expected.keys() & params.keys():
        shape = np.shape(params[name])
        if shape != expected[name]:
            problems.append(f"shape: {name} is {shape}, the model needs {expected[name]}")
        elif not _is_finite(params[name]):
            problems.append(f"value: {name} holds what is no finite real number")
        elif name in frozen and not _is_table(params[name], frozen[name]):
            problems.append(f"value: {name} is frozen, but it is not the table of its kind")
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

    Raises:
        ValueError: a model with tied embeddings.
    """
    if model.tie_embeddings:
        raise ValueError("The original has no tied embeddings. Received: tie_embeddings=True")
    weights = {
        name: ops.convert_to_numpy(weight).astype("float32")
        for name, weight in _weights(model).items()
    }
    return weights | _frozen_tables(model)


def original_shapes(model):
    """Names and shapes of the original's parameters, as it counts them.

    Its frozen position tables are parameters, with moments in the optimizer; here they are
    constants, and `model.count_params()` leaves them out.

    Args:
        model: `PerceiverARCausalLM`.

    Returns:
        dict of str to tuple of int.
    """
    shapes = {name: tuple(weight.shape) for name, weight in _weights(model).items()}
    embedding = model.backbone.position_embedding
    if embedding is not None and not embedding.tables:
        for axis, rows in enumerate(embedding.num_rows):
            shapes[f"perceiver_ar/~/embed_{axis + 1}/embeddings"] = (rows, embedding.width)
    return shapes


def _weights(model):
    """The original's name of every weight: dict of str to Keras variable."""
    backbone = model.backbone
    root = "perceiver_ar/~"
    names = {f"{root}/embed/embeddings": backbone.token_embedding.embeddings}
    if backbone.position_embedding is not None:
        for axis, table in enumerate(backbone.position_embedding.tables):
            names[f"{root}/embed_{axis + 1}/embeddings"] = table
    initial = backbone.initial_latents
    # Haiku numbers the MLP's layers first: they were made before the projection.
    dense = initial.mlp_layers + ([initial.projection] if initial.projection is not None else [])
    for index, layer in enumerate(dense):
        names |= _linear(_numbered(f"{root}/linear", index), layer)
    if initial.learned is not None:
        names["perceiver_ar/q_embed_learned"] = initial.learned
    if initial.position_code is not None:
        names[f"{root}/z_pos_enc/pos_embs"] = initial.position_code
    counts = {"self_attention": 0, "cross_attention": 0}
    for block in backbone.latent_stack.blocks:
        kind, norms = "cross_attention", ("latents_norm", "inputs_norm", "mlp_norm")
        if isinstance(block, LatentBlock):
            kind, norms = "self_attention", ("latents_norm", "mlp_norm")
        names |= _block(_numbered(f"{root}/{kind}", counts[kind]), block, norms)
        counts[kind] += 1
    names |= _norm("perceiver_ar/layer_norm", backbone.latent_stack.final_norm)
    return names | _linear(f"{root}/logits", model.logits)


def _frozen_tables(model):
    """Position tables that are weights in the original and constants here."""
    embedding = model.backbone.position_embedding
    if embedding is None or embedding.tables:
        return {}
    return {
        f"perceiver_ar/~/embed_{axis + 1}/embeddings": positions_lib.table(
            embedding.kind, rows, embedding.width
        )
        for axis, rows in enumerate(embedding.num_rows)
    }


def _is_finite(values):
    values = np.asarray(values)
    return values.dtype.kind not in "cOSU" and bool(np.all(np.isfinite(values)))


def _is_table(values, table):
    """Up to what the original's float32 angles, which grow with the rows, leave of a table."""
    return np.allclose(values, table, rtol=0, atol=1e-5 + 2e-6 * len(table))


def _numbered(module, index):
    """Haiku's name of the module of that number among its kind: linear, linear_1 and on."""
    return f"{module}_{index}" if index else module


def _linear(module, dense):
    return {f"{module}/w": dense.kernel, f"{module}/b": dense.bias}


def _norm(module, norm):
    return {f"{module}/scale": norm.gamma, f"{module}/offset": norm.beta}


def _block(module, block, norms):
    attention = block.attention
    names = {}
    for index, norm in enumerate(norms):
        names |= _norm(_numbered(f"{module}/layer_norm", index), getattr(block, norm))
    projections = (
        attention.query_dense,
        attention.key_dense,
        attention.value_dense,
        attention.output_dense,
    )
    for part, layers in (("attention", projections), ("dense", (block.mlp.up, block.mlp.down))):
        for index, dense in enumerate(layers):
            names |= _linear(_numbered(f"{module}/{part}/linear", index), dense)
    return names
