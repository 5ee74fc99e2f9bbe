"""Images as the original's ImageNet data set orders them."""

from pathlib import Path

import numpy as np
import pytest

from keras_perceiver_ar.codecs import image_codec


@pytest.mark.parametrize("has_sos", [True, False])
@pytest.mark.parametrize("order", ["raster", "rgb"])
@pytest.mark.parametrize("side", [4, 8])
def test_events_and_positions_are_the_golden_ones(side, order, has_sos):
    golden = np.load(Path(__file__).parent / "image_order" / f"{side}.npz")
    case = f"{order}_{'sos' if has_sos else 'nosos'}"
    positions = image_codec.positions(side, order, has_sos)
    if has_sos:
        positions = np.concatenate([[image_codec.SOS_POSITION], positions])
    images = golden["images"]
    assert len(images) == 2
    for image, events, event_positions in zip(
        images, golden[f"{case}/events"], golden[f"{case}/event_idxs"], strict=True
    ):
        ids = image_codec.encode(image, order)
        if has_sos:
            ids = np.concatenate([[image_codec.SOS], ids])
        np.testing.assert_array_equal(ids, events)
        np.testing.assert_array_equal(positions, event_positions)
        np.testing.assert_array_equal(image_codec.decode(events, side, order), image)


def test_the_copies_are_the_files_beside_the_clone(shared):
    for side in (4, 8):
        copy = Path(__file__).parent / "image_order" / f"{side}.npz"
        golden = shared / "golden" / "s_data" / f"imagenet_order_{side}.npz"
        assert copy.read_bytes() == golden.read_bytes()
