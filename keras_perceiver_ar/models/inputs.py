"""What a backbone is called with, completed."""

from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.checks import check_inputs


def read_inputs(inputs, max_context, position_layer):
    """Completes a dict of inputs.

    Args:
        inputs: dict of `token_ids` (B, M), and optionally `lengths` (B,) and `positions` (B, M) or
            (B, M, P); or the `token_ids` alone.
        max_context: int. The largest M.
        position_layer: `RotaryEmbedding` or `PositionEmbedding`, which says how inputs are counted.

    Returns:
        token_ids int32 (B, M), lengths int32 (B,), positions int32 (B, M) or (B, M, P).

    Raises:
        ValueError: inputs of shapes that a model cannot read.
    """
    inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
    dimensions = position_layer.num_index_dimensions
    check_inputs(inputs, max_context, dimensions)
    token_ids, lengths = read_rows(inputs)
    num_inputs = ops.shape(token_ids)[1]
    if position_layer.from_end:
        positions = positions_lib.positions_from_end(lengths, num_inputs)
        positions = -positions if position_layer.negative else positions
    elif inputs.get("positions") is not None:
        positions = ops.cast(inputs["positions"], "int32")
        if dimensions == 1 and len(positions.shape) == 3:
            positions = positions[..., 0]
    else:
        positions = positions_lib.positions_from_start(lengths, num_inputs)
    return token_ids, lengths, positions


def read_rows(inputs):
    """What is there without counting positions.

    Args:
        inputs: dict of `token_ids` (B, M), and optionally `lengths` (B,).

    Returns:
        token_ids int32 (B, M), lengths int32 (B,), clipped to 0 … M.
    """
    token_ids = ops.cast(inputs["token_ids"], "int32")
    lengths = inputs.get("lengths")
    if lengths is None:
        lengths = masks.sequence_lengths(token_ids)
    return token_ids, ops.clip(ops.cast(lengths, "int32"), 0, ops.shape(token_ids)[1])
