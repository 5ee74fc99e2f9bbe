import numpy as np
import pytest

from keras_perceiver_ar.generation import ChannelMask, History
from tests.keras_perceiver_ar.support import GOLDEN, to_numpy


def allowed(mask, lengths):
    return to_numpy(mask(History(None, np.array(lengths, "int32"), None)))


def test_channels_take_turns():
    # SOS, then a value of each of two channels with two values, and the first channel again.
    assert allowed(ChannelMask(2, 2), [1, 2, 3]).astype(int).tolist() == [
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0, 1, 1],
        [1, 1, 1, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_images_of_three_vocabularies_as_the_original_masks_them(place):
    kept = np.load(GOLDEN / "sampling.npz")[f"image_i{place}"]
    found = allowed(ChannelMask(3, 256), [place])[0]
    np.testing.assert_array_equal(found, kept)


@pytest.mark.parametrize("place, first", [(1, 3), (2, 1027), (24, 23555), (25, 3)])
def test_soundstream_as_the_original_masks_it(place, first):
    """24 quantizers of 1024 values: the ids that the original keeps at some places."""
    kept = np.flatnonzero(allowed(ChannelMask(24, 1024), [place])[0])
    assert kept[:4].tolist() == [0, 1, 2, first] and kept[-1] == first + 1023
    assert len(kept) == 1027
