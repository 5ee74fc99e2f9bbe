"""Settings of a backbone that make no sense together, refused when it is made."""

from keras_perceiver_ar.checks import check_num_latents, check_rematerialize, check_sizes
from keras_perceiver_ar.layers.position_embedding import PositionEmbedding


def check_latents(num_latents, max_context, latents_per_position):
    """Refuses numbers of latents that do not fit the context or the positions.

    Args:
        num_latents: int. N.
        max_context: int. M.
        latents_per_position: int. n.

    Raises:
        ValueError: not an integer from n to n · M, or not a multiple of n.
    """
    check_sizes(latents_per_position=latents_per_position)
    check_num_latents(num_latents, max_context * latents_per_position)
    if num_latents % latents_per_position:
        raise ValueError(
            "`num_latents` must be a multiple of `latents_per_position`. Received: "
            f"num_latents={num_latents}, latents_per_position={latents_per_position}"
        )


def check_combinations(backbone, layer):
    """Refuses settings of a backbone that contradict each other.

    Args:
        backbone: `PerceiverARBackbone` that is being made.
        layer: its `RotaryEmbedding` or `PositionEmbedding`.

    Raises:
        ValueError: names the settings.
    """
    cross_attend, latent_query = backbone.cross_attend, backbone.latent_query
    dropout, num_layers = backbone.dropout_rates, backbone.num_layers
    layers = cross_attend.after_layers
    if len(set(layers)) < len(layers) or not all(
        isinstance(number, int) and 0 <= number < num_layers for number in layers
    ):
        raise ValueError(
            f"`after_layers` must be different latent blocks from 0 to {num_layers - 1}. "
            f"Received: after_layers={layers}"
        )
    reads = cross_attend.initial or layers
    if not reads and (dropout.inputs or dropout.keep_inputs):
        raise ValueError(
            "There is no cross-attend whose inputs could be left out. Received: initial=False, "
            f"after_layers=(), inputs={dropout.inputs}, keep_inputs={dropout.keep_inputs}"
        )
    if not reads and latent_query.style in ("learned", "shared"):
        raise ValueError(
            "The model would see no input: its latents do not start from the inputs and never read "
            f"them. Received: style={latent_query.style!r}, initial=False, after_layers=()"
        )
    check_rematerialize(backbone.rematerialize, num_layers)
    if isinstance(layer, PositionEmbedding) and layer.num_index_dimensions == 1:
        rows, max_context = layer.num_rows[0], backbone.max_context
        if rows < max_context:
            raise ValueError(
                "The position embedding has fewer rows than there are positions, and the last ones "
                f"would share a row. Received: num_rows={rows}, max_context={max_context}"
            )
    least = 1 + (backbone.num_positions() if dropout.prefix_only else 0)
    if dropout.keep_inputs is not None and dropout.keep_inputs < least:
        raise ValueError(
            "`keep_inputs` must leave room for the first input and for those on which latents sit: "
            f"at least {least}. Received: keep_inputs={dropout.keep_inputs}"
        )
    if not latent_query.offset:
        return
    dimensions = layer.num_index_dimensions
    if dimensions > 1:
        raise ValueError(
            "`offset` needs positions of one index dimension: with more there is no next one. "
            f"Received: offset=True, {dimensions} index dimensions"
        )
    if isinstance(layer, PositionEmbedding) and latent_query.style in ("learned", "shared"):
        raise ValueError(
            "`offset` would change nothing: absolute positions are part of the embedded input, "
            f"which learned latents do not start from. Received: style={latent_query.style!r}"
        )
