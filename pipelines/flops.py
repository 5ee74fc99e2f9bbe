"""Floating-point operations of Perceiver AR, by formula.

A product of (a, b) and (b, c) matrices counts 2abc. Counted are the products that the model calls
for: projections, MLPs, scores and weighted values of the pairs of query and key that the mask
allows, and the logits. Not counted are norms, softmax, dropout, look-ups, the optimizer, nor what
an implementation does on top: masked pairs, and what is computed again in the backward pass. The
figure belongs to the model, so that a wasteful step shows as a low utilisation.

The backward pass takes twice the forward pass: a product for the gradient of either factor.
"""

FORWARD_AND_BACKWARD = 3


def train_step_flops(model, rows):
    """Of forward and backward pass of a model, with rows as long as its context.

    Args:
        model: `PerceiverARCausalLM`.
        rows: int. B.

    Returns:
        int.
    """
    return FORWARD_AND_BACKWARD * rows * row_flops(model)


def row_flops(model, num_latents=None, context=None):
    """Of the forward pass of a model over one row.

    Args:
        model: `PerceiverARCausalLM`.
        num_latents: int or None. Another N.
        context: int or None. M, the inputs of the row; None is as many as the model takes.

    Returns:
        int.
    """
    backbone = model.backbone
    config, cross = backbone.get_config(), backbone.cross_attend
    input_width = config["input_width"] or backbone.width
    forward = forward_flops(
        num_latents or backbone.num_latents,
        context or backbone.max_context,
        backbone.width,
        config["num_layers"],
        backbone.vocab_size,
        input_width=input_width,
        cross_width=cross.width or input_width,
        mlp_factor=config["mlp_factor"],
        cross_mlp_factor=cross.mlp_factor,
        cross_attends=int(cross.initial) + len(cross.after_layers),
        positions=backbone.num_positions(num_latents),
    )
    return sum(forward.values())


def forward_flops(
    latents,
    inputs,
    width,
    layers,
    vocab,
    input_width=None,
    cross_width=None,
    mlp_factor=4,
    cross_mlp_factor=None,
    cross_attends=1,
    positions=None,
    masked_pairs=False,
):
    """Of one row's forward pass, part by part.

    N latents of width C on U positions, M inputs of width I, X cross-attends of width A, V ids, L
    blocks, MLPs of F times the width::

        latents      2NIC                           what the latents start from
        cross_attend X · (4NCA + 4MIA               query and output; key and value
                          + 4PA + 4FNC²)            scores and values of P pairs; MLP
        stack        L · (8NC² + 4PC + 4FNC²)       with P of N queries on N keys
        logits       2UCV

    Args:
        latents: int. N.
        inputs: int. M.
        width: int. C.
        layers: int. L.
        vocab: int. V.
        input_width: int or None. I; None is C.
        cross_width: int or None. A; None is I.
        mlp_factor: number. F of the stack.
        cross_mlp_factor: number or None. F of the cross-attends; None is that of the stack.
        cross_attends: int. X.
        positions: int or None. U; None is N.
        masked_pairs: bool. Counts all pairs of query and key, as dense attention computes them.

    Returns:
        dict of int.
    """
    input_width = input_width or width
    cross_width = cross_width or input_width
    cross_mlp_factor = mlp_factor if cross_mlp_factor is None else cross_mlp_factor
    square = width * width
    read = 4 * latents * width * cross_width + 4 * inputs * input_width * cross_width
    read += 4 * pairs(latents, inputs, masked_pairs) * cross_width
    read += int(4 * cross_mlp_factor * latents * square)
    block = 8 * latents * square + 4 * pairs(latents, latents, masked_pairs) * width
    block += int(4 * mlp_factor * latents * square)
    return {
        "latents": 2 * latents * input_width * width,
        "cross_attend": cross_attends * read,
        "stack": layers * block,
        "logits": 2 * (positions or latents) * width * vocab,
    }


def pairs(queries, keys, masked):
    """Pairs of the last `queries` of `keys` places with the keys up to and including their own.

    Args:
        queries: int.
        keys: int.
        masked: bool. Whether all of them count.
    """
    if masked:
        return queries * keys
    return queries * (keys - queries) + queries * (queries + 1) // 2
