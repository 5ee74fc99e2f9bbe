"""Positions of the data that a model's tables have no rows for."""

import numpy as np

from pipelines.errors import UserError

# What a task that stands in for data nobody has at hand says of its positions.
ANY_POSITIONS = "any"


def check_positions(task, backbone):
    """Refuses a model that would clip the positions of a task's data, or cannot read them.

    Args:
        task: see `Experiment`.
        backbone: `PerceiverARBackbone`.

    Raises:
        UserError: names what the data has, what the model has and what would do.
    """
    positions = getattr(task, "positions", None)
    if positions is ANY_POSITIONS:
        return
    axes = 1 if positions is None else positions.shape[-1]
    name, layer = _of_model(backbone)
    if axes != layer.num_index_dimensions:
        data = "counts positions 1, 2, …" if positions is None else f"has positions of {axes} axes"
        remedy = (
            f"@PositionEmbedding() with PositionEmbedding.num_rows = {_rows(positions)}, as "
            "gin/runs/imagenet64_tiny.gin does"
            if axes > 1
            else "'rotary', as gin/runs/pg19_tiny.gin does"
        )
        if axes > 1 and layer.num_index_dimensions == 2 * axes:
            remedy += ", or target_positions = True where the data are read"
        raise UserError(
            f"the data of {type(task).__name__} {data}, but {name} is for "
            f"{layer.num_index_dimensions}: set PerceiverARBackbone.positions = {remedy}"
        )
    if positions is None or backbone.position_embedding is None or layer.from_end:
        return  # rotary positions have no end; the others the backbone checks itself
    needed = _rows(positions)
    if any(rows < need for rows, need in zip(layer.num_rows, needed, strict=True)):
        raise UserError(
            f"the positions of the data reach {tuple(n - 1 for n in needed)}, but {name} is "
            f"{layer.num_rows}: set PositionEmbedding.num_rows = {needed} (ROWS in "
            "gin/runs/imagenet64_tiny.gin)"
        )


def _of_model(backbone):
    if backbone.position_embedding is not None:
        return "PositionEmbedding.num_rows", backbone.position_embedding
    return "RotaryEmbedding.num_index_dimensions", backbone.rotary


def _rows(positions):
    """Rows that each table needs: positions count from 0, which is padding."""
    return tuple(int(most) + 1 for most in np.max(positions, axis=0))
