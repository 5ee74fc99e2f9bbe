"""Rotary positions as a layer without weights."""

import keras
from keras import ops

from keras_perceiver_ar import positions as positions_lib


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

    Call arguments:
        x: (B, S, H, D) queries or keys.
        positions: int (B, S).

    Returns:
        (B, S, H, D).

    Raises:
        ValueError: a fraction outside [0, 1], or a wavelength that is not positive.

    Example:
        >>> rotary = RotaryEmbedding(max_wavelength=1024)
        >>> rotary(keras.ops.ones((2, 5, 4, 16)), positions=keras.ops.ones((2, 5), "int32")).shape
        (2, 5, 4, 16)

    Reference: Su et al., arXiv 2104.09864; frequencies as in the original Perceiver AR.
    """

    def __init__(
        self, max_wavelength, channel_fraction=0.5, head_fraction=1.0, from_end=False, **kwargs
    ):
        super().__init__(**kwargs)
        for name, value in (
            ("channel_fraction", channel_fraction),
            ("head_fraction", head_fraction),
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value}")
        if max_wavelength <= 0:
            raise ValueError(
                f"`max_wavelength` must be positive. Received: max_wavelength={max_wavelength}"
            )
        self.max_wavelength = max_wavelength
        self.channel_fraction = channel_fraction
        self.head_fraction = head_fraction
        self.from_end = from_end
        self.built = True

    def call(self, x, positions):
        num_heads, head_dim = x.shape[2], x.shape[3]
        num_rotated = 2 * int(head_dim * self.channel_fraction / 2)
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
        }
