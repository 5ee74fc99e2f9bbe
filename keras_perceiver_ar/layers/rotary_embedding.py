"""Rotary positions as a layer without weights."""

import keras
from keras import ops

from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.checks import check_numbers, check_sizes


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class RotaryEmbedding(keras.layers.Layer):
    """Rotates a fraction of the channels of queries and keys by their position.

    Args:
        max_wavelength: number. Longest wavelength; in the original also the context length.
        channel_fraction: float in [0, 1]. Channels of a head that are rotated, the first ones
            (`fraction_to_rotate`). Rounded down to an even number.
        head_fraction: float in [0, 1]. Heads that are rotated, the first ones
            (`fraction_heads_to_rotate`).
        from_end: bool. Count positions back from the last valid input instead of reading them from
            the data (`use_positions_from_data=False`). The model that owns the layer does this.
        negative: bool. Count them back as 0, −1, −2, … (`use_negative_rotary_positions`); only with
            `from_end`.
        num_index_dimensions: int. P. Each index dimension turns its own share of the rotated
            channels, with the same ladder of wavelengths; the original knows one.

    Call arguments:
        x: (B, S, H, D) queries or keys.
        positions: int (B, S), or (B, S, P).

    Returns:
        (B, S, H, D).

    Raises:
        ValueError: a fraction outside [0, 1], a wavelength that is not positive, `negative` without
            `from_end`, or positions of another number of index dimensions.

    Example:
        >>> rotary = RotaryEmbedding(max_wavelength=1024)
        >>> rotary(keras.ops.ones((2, 5, 4, 16)), positions=keras.ops.ones((2, 5), "int32")).shape
        (2, 5, 4, 16)

    Reference: Su et al., arXiv 2104.09864; frequencies as in the original Perceiver AR.
    """

    def __init__(
        self,
        max_wavelength,
        channel_fraction=0.5,
        head_fraction=1.0,
        from_end=False,
        negative=False,
        num_index_dimensions=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        fractions = {"channel_fraction": channel_fraction, "head_fraction": head_fraction}
        check_numbers(**fractions)
        for name, value in fractions.items():
            if value > 1:
                raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value}")
        check_numbers(max_wavelength=max_wavelength, above=True)
        if negative and not from_end:
            raise ValueError(
                "Negative positions count back from the end of a row. Received: negative=True, "
                "from_end=False"
            )
        check_sizes(num_index_dimensions=num_index_dimensions)
        if from_end and num_index_dimensions > 1:
            raise ValueError(
                "Positions from the end have one index dimension. Received: from_end=True, "
                f"num_index_dimensions={num_index_dimensions}"
            )
        self.max_wavelength = max_wavelength
        self.channel_fraction = channel_fraction
        self.head_fraction = head_fraction
        self.from_end = from_end
        self.negative = negative
        self.num_index_dimensions = num_index_dimensions
        self.built = True

    def call(self, x, positions):
        num_heads, head_dim = x.shape[2], x.shape[3]
        dimensions = positions.shape[2] if len(positions.shape) == 3 else 1
        if dimensions != self.num_index_dimensions:
            raise ValueError(
                f"`positions` must have {self.num_index_dimensions} index dimension(s). Received: "
                f"positions.shape={tuple(positions.shape)}"
            )
        num_rotated = 2 * int(head_dim * self.channel_fraction / 2 / dimensions)
        frequencies = positions_lib.rotary_frequencies(num_rotated, self.max_wavelength)
        return positions_lib.rotate_channels(
            x, ops.cast(positions, "float32"), frequencies, int(self.head_fraction * num_heads)
        )

    def compute_output_shape(self, x_shape, positions_shape=None):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_wavelength": self.max_wavelength,
            "channel_fraction": self.channel_fraction,
            "head_fraction": self.head_fraction,
            "from_end": self.from_end,
            "negative": self.negative,
            "num_index_dimensions": self.num_index_dimensions,
        }
