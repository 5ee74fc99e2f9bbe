"""Floating-point operations of a train step, by formula.

A product of (a, b) and (b, c) matrices counts 2abc. Counted are the products that the model calls
for: projections, MLPs, scores and weighted values of the pairs of query and key that the mask
allows, and the logits. Not counted are norms, softmax, dropout, look-ups, the optimizer, nor what
an implementation does on top: masked pairs, and what is computed again in the backward pass. The
figure belongs to the model, so that a wasteful step shows as a low utilisation.

The backward pass takes twice the forward pass: a product for the gradient of either factor.
"""

MLP_FACTOR = 4


def train_step_flops(workload, masked_pairs=False):
    """Of forward and backward pass.

    Args:
        workload: `Workload`.
        masked_pairs: bool. Counts all pairs of query and key, as dense attention computes them.

    Returns:
        int.
    """
    return 3 * workload.batch * sum(forward_flops(workload, masked_pairs).values())


def forward_flops(workload, masked_pairs=False):
    """Of one row's forward pass, part by part.

    N queries of width C, M inputs, H heads, V ids, E entries of memory, L blocks:

    latents      2NC²              what the latents start from
    cross_attend 4NC² + 4MC²       query and output; key and value
                 4PC               scores and values of P pairs
                 16NC²             MLP
    stack        L · (8NC² + 4PC + 16NC²)   with P of N queries on N keys
    logits       2NCV

    A Transformer-XL projects E keys and values more, compares distances in as many channels as it
    compares contents (2PC), and makes those of each query (2NCD, D = C / H).

    Args:
        workload: `Workload`.
        masked_pairs: bool.

    Returns:
        dict of int.
    """
    width, layers = workload.width, workload.layers
    queries = workload.latents if workload.is_perceiver else workload.context
    square = 2 * width * width
    mlp = 2 * queries * MLP_FACTOR * square
    flops = {}
    if workload.is_perceiver:
        pairs = _pairs(queries, workload.context, masked_pairs)
        flops["latents"] = queries * square
        projections = 2 * (queries + workload.context) * square
        flops["cross_attend"] = projections + 4 * pairs * width + mlp
    remembered = workload.memory if workload.model == "transformer_xl" else 0
    pairs = _pairs(queries, remembered + queries, masked_pairs)
    block = (4 * queries + 2 * remembered) * square + 4 * pairs * width + mlp
    if workload.model == "transformer_xl":
        block += 2 * pairs * width + 2 * queries * width * (width // workload.heads)
    flops["stack"] = layers * block
    flops["logits"] = 2 * queries * width * workload.vocab
    return flops


def _pairs(queries, keys, masked):
    """Pairs of the last `queries` of `keys` places with the keys up to and including their own."""
    if masked:
        return queries * keys
    return queries * (keys - queries) + queries * (queries + 1) // 2
