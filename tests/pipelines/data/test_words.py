"""Words as Python's own `split` finds them, in pieces of any size."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data import words


@given(st.text(st.sampled_from("ab é\u2003\t\n\r\x0b\x0c\x1c\x85"), max_size=40), st.integers(1, 9))
def test_words_are_counted_as_python_parts_them(text, chunk):
    data = text.encode()
    with mock.patch.object(words, "_CHUNK", chunk):
        assert words.count_words(data) == len(data.split())


@pytest.mark.parametrize("text", ["", " two words ", "größer\tals\n\neins"])
def test_an_array_is_counted_like_its_bytes(text):
    data = text.encode()
    assert words.count_words(np.frombuffer(data, np.uint8)) == len(data.split())
