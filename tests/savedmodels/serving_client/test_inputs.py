"""Reading of inputs; what is refused is in tests/savedmodels/test_client.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.generation.arguments import read_prompts, row_seeds
from keras_perceiver_ar.generation.sampler import OFF
from savedmodels.client import Client
from savedmodels.serving_client import inputs
from savedmodels.serving_client.bad_input import BadInput
from tests.savedmodels.clients import failure

ROWS = st.lists(st.lists(st.integers(1, 258), min_size=1, max_size=9), min_size=1, max_size=4)


@given(rows=ROWS)
def test_ragged_rows_are_padded(rows):
    token_ids, lengths = inputs.read_tokens(rows)
    assert token_ids.dtype == lengths.dtype == np.int32
    assert lengths.tolist() == [len(row) for row in rows]
    assert token_ids.shape == (len(rows), max(lengths))
    for row, padded in zip(rows, token_ids):
        assert padded[: len(row)].tolist() == row and not padded[len(row) :].any()


@given(rows=st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=4))
def test_a_row_ends_where_it_does_in_keras(rows):
    rows = np.array(rows)
    wanted = read_prompts({"token_ids": rows}, 259)
    for found, value in zip(inputs.read_tokens(rows), wanted):
        np.testing.assert_array_equal(found, value)


@given(seed=st.integers(-(2**31), 2**31 - 1), batch=st.integers(1, 5))
def test_seeds_are_those_of_keras(seed, batch):
    np.testing.assert_array_equal(inputs.read_seeds(seed, batch), row_seeds(seed, batch))
    seeds = [seed] * batch
    np.testing.assert_array_equal(inputs.read_seeds(seeds, batch), row_seeds(seeds, batch))


def test_what_is_off_is_off_in_the_model_too():
    for name, value in inputs.OFF.items():
        assert value == OFF[name]
        assert value.dtype == ("int32" if name == "top_k" else "float32")
    assert set(inputs.OFF) == set(OFF) - {"top_p"}


def test_none_is_not_given():
    found = inputs.read_optional(2, {"top_k": None, "min_p": 0.5, "typical_p": [0.5, 1]})
    assert sorted(found) == ["min_p", "typical_p"]
    assert found["min_p"].tolist() == [0.5, 0.5] and found["typical_p"].tolist() == [0.5, 1.0]
    with pytest.raises(TypeError, match="unexpected keyword argument 'top_q'; there are .*top_k"):
        inputs.read_optional(2, {"top_q": None})


def test_numbers_of_numpy_and_of_python_will_do():
    for value in (3, np.int64(3), np.uint8(3), [3, 3], np.array([3, 3], np.int16)):
        found = inputs.read_rows("max_new_tokens", value, 2, np.int32)
        assert found.tolist() == [3, 3] and found.dtype == np.int32
    for value in (1, 0.5, np.float64(0.5), [1, 0.5]):
        assert inputs.read_rows("top_p", value, 2, np.float32).dtype == np.float32


def test_texts_become_bytes():
    assert inputs.read_text("ö") == ["ö".encode()]
    assert inputs.read_text([b"\xff", "a", np.str_("b")]) == [b"\xff", b"a", b"b"]


@pytest.mark.parametrize("dtype", ["int32", np.int32, np.dtype("int32")])
def test_a_fraction_is_no_integer_however_its_type_is_named(dtype):
    with pytest.raises(BadInput, match="top_k must hold integers, got float64"):
        inputs.read_rows("top_k", 2.0, 1, dtype)


@pytest.mark.parametrize("name", ["tokens_at_a_time", "num_latents"])
@pytest.mark.parametrize("value", [1.5, 2.0, float("nan"), True, "4", 0, -1, 2**31, [2, 2]])
def test_the_numbers_of_a_stream_are_integers(name, value):
    # Nothing listens there, so nothing was asked.
    with Client("http://localhost:1", "books") as client:
        error = failure(lambda: client.generate_text_stream("a", **{name: value}))
    assert error.kind == "bad_input" and error.field == name and name in str(error)


def test_the_numbers_of_a_stream_become_ints():
    found = inputs.read_stream("a", np.int64(3), [4])
    assert found == (b"a", 3, 4) and type(found[1]) is type(found[2]) is int
    assert inputs.read_stream(b"a", 3, None) == (b"a", 3, None)


@pytest.mark.parametrize("value", [1e300, -1e39, [1.0, 1e300]])
@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_refused_by_name(value):
    with pytest.raises(BadInput, match="temperature must fit 32 bits, got -?1e"):
        inputs.read_rows("temperature", value, 2, np.float32)
    found = inputs.read_rows("temperature", [float("nan"), float("inf")], 2, np.float32)
    assert np.isnan(found[0]) and np.isinf(found[1])
