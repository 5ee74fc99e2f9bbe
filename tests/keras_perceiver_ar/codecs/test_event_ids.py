import numpy as np
import pytest

from keras_perceiver_ar.codecs import byte_codec, event_ids, image_codec, performance_codec


def test_every_codec_reserves_the_same_ids():
    assert (event_ids.PAD, event_ids.EOS, event_ids.SOS, event_ids.NUM_RESERVED) == (0, 1, 2, 3)
    for codec in (byte_codec, image_codec, performance_codec):
        assert (codec.PAD, codec.EOS, codec.SOS) == (0, 1, 2)


def test_ids_pass_unchanged():
    for ids in ([0, 5, 9], np.array([0, 5, 9], np.uint8), (0, 5, 9)):
        assert event_ids.check_ids(ids, 10).tolist() == [0, 5, 9]
    assert event_ids.check_ids([], 10).shape == (0,)


def test_what_no_vocabulary_could_have_made_is_refused():
    with pytest.raises(ValueError, match="0 … 9, got 10"):
        event_ids.check_ids([3, 10], 10)
    with pytest.raises(ValueError, match="0 … 9, got -1"):
        event_ids.check_ids([-1], 10)
    with pytest.raises(ValueError, match=r"one dimension, got shape \(1, 1\)"):
        event_ids.check_ids([[3]], 10)
    with pytest.raises(TypeError, match="float64"):
        event_ids.check_ids([3.0], 10)
