"""Rows whose places take turns between channels, each with a vocabulary of its own."""

import dataclasses

from keras import ops

from keras_perceiver_ar.generation.logit_masks.logit_mask import LogitMask


@dataclasses.dataclass(frozen=True)
class ChannelMask(LogitMask):
    """Allows the tokens of the channel whose turn it is.

    Ids below `first` are reserved and left to other rules; then come `size` ids of channel 0, as
    many of channel 1, and so on. Place 0 of a row is SOS, place p ≥ 1 belongs to channel
    (p − 1) mod channels.

    Args:
        channels: int. 3 for red, green, blue with ids of their own; the number of quantizers for
            SoundStream.
        size: int. Values of a channel.
        first: int. Id of the first value of channel 0.

    The original masks images and SoundStream this way while it samples.
    """

    channels: int
    size: int
    first: int = 3

    def __call__(self, history):
        ids = ops.arange(self.first + self.channels * self.size, dtype="int32")
        channel = (ids - self.first) // self.size
        turn = ops.mod(ops.expand_dims(history.lengths, -1) - 1, self.channels)
        return ops.logical_or(ids < self.first, ops.equal(channel, turn))
