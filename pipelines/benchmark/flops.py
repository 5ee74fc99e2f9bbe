"""Floating-point operations of a train step that is measured; see `pipelines.flops`."""

from pipelines import flops

MLP_FACTOR = 4


def train_step_flops(workload, masked_pairs=False):
    """Of forward and backward pass.

    Args:
        workload: `Workload`.
        masked_pairs: bool. Counts all pairs of query and key, as dense attention computes them.

    Returns:
        int.
    """
    forward = sum(forward_flops(workload, masked_pairs).values())
    return flops.FORWARD_AND_BACKWARD * workload.batch * forward


def forward_flops(workload, masked_pairs=False):
    """Of one row's forward pass, part by part.

    The baselines are a stack over all M inputs, as that of Perceiver AR over its latents. A
    Transformer-XL projects E keys and values of its memory more, compares distances in as many
    channels as it compares contents (2PC), and makes those of each query (2MCD, D = C / H).

    Args:
        workload: `Workload`.
        masked_pairs: bool.

    Returns:
        dict of int.
    """
    width, layers, inputs = workload.width, workload.layers, workload.context
    sizes = {"mlp_factor": MLP_FACTOR, "masked_pairs": masked_pairs}
    if workload.is_perceiver:
        return flops.forward_flops(workload.latents, inputs, width, layers, workload.vocab, **sizes)
    remembered = workload.memory if workload.model == "transformer_xl" else 0
    pairs = flops.pairs(inputs, remembered + inputs, masked_pairs)
    square = 2 * width * width
    block = (4 * inputs + 2 * remembered) * square + 4 * pairs * width
    block += 2 * inputs * MLP_FACTOR * square
    if workload.model == "transformer_xl":
        block += 2 * pairs * width + 2 * inputs * width * (width // workload.heads)
    return {"stack": layers * block, "logits": 2 * inputs * width * workload.vocab}
