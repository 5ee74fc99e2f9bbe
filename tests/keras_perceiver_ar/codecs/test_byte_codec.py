import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import byte_codec


def test_ids_of_a_text():
    ids = byte_codec.encode("Aé")
    assert ids.dtype == np.int32
    assert ids.tolist() == [68, 0xC3 + 3, 0xA9 + 3]
    assert byte_codec.encode(b"\x00\xff").tolist() == [3, 258]
    assert byte_codec.encode("").shape == (0,)
    assert byte_codec.VOCAB_SIZE == 259


@given(st.text())
def test_text_survives_the_round_trip(text):
    assert byte_codec.decode(byte_codec.encode(text)) == text


def test_reserved_ids_are_dropped_and_broken_characters_replaced():
    assert byte_codec.decode([2, 68, 0, 69, 1, 0]) == "AB"
    assert byte_codec.decode([68, 0xC3 + 3]) == "A\ufffd"
    assert byte_codec.decode([]) == ""


@pytest.mark.parametrize("outside", [-1, 259])
def test_ids_outside_the_vocabulary_are_refused(outside):
    with pytest.raises(ValueError, match=f"0 … 258, got {outside}"):
        byte_codec.decode([68, outside])


def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError, match="got list"):
        byte_codec.encode([1, 2])
    with pytest.raises(TypeError, match="float64"):
        byte_codec.decode([68.0])
    with pytest.raises(ValueError, match="one dimension"):
        byte_codec.decode([[68]])
