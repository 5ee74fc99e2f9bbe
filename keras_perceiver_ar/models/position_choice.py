"""How a backbone tells positions: by name, or by a layer of the user's own making."""

from keras_perceiver_ar.layers.position_embedding import PositionEmbedding
from keras_perceiver_ar.layers.rotary_embedding import RotaryEmbedding

NAMES = ("rotary", "absolute", "learned")


def make_position_layer(positions, max_context, width, dtype, offset=0):
    """The layer that a backbone's `positions` stand for.

    Args:
        positions: one of `NAMES`, a `RotaryEmbedding` or a `PositionEmbedding`.
        max_context: int. M.
        width: int. Channels of the embedded inputs.
        dtype: dtype policy.
        offset: int. How far the latents' positions run past those of the inputs.

    Returns:
        `RotaryEmbedding` or `PositionEmbedding`.

    Raises:
        ValueError: something else.
    """
    if positions == "rotary":
        return RotaryEmbedding(max_context + offset, name="rotary")
    if positions in ("absolute", "learned"):
        kind = "sinusoidal" if positions == "absolute" else "learned"
        name = "position_embedding"
        return PositionEmbedding(max_context + 1 + offset, width, kind, name=name, dtype=dtype)
    if isinstance(positions, PositionEmbedding) and positions.width != width:
        raise ValueError(
            "The position embedding must be as wide as the embedded inputs. Received: "
            f"positions.width={positions.width}, input_width={width}"
        )
    if isinstance(positions, (RotaryEmbedding, PositionEmbedding)):
        return positions
    raise ValueError(
        f"`positions` must be one of {NAMES}, a RotaryEmbedding or a PositionEmbedding. "
        f"Received: positions={positions!r}"
    )
