"""Few queries give what the dense route gives, whatever the shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_perceiver_ar.attention import few_queries
from keras_perceiver_ar.attention.dense import dense_attention
from keras_perceiver_ar.masks import StepMask
from tests.keras_perceiver_ar.support import to_numpy

SIZES = st.integers(1, 3)


def make(seed, batch, number, keys, heads, width, value_width, dtype="float32"):
    random = np.random.default_rng(seed)
    query = random.normal(size=(batch, number, heads, width))
    key = random.normal(size=(batch, keys, heads, width))
    value = random.normal(size=(batch, keys, heads, value_width))
    return tuple(x.astype(dtype) for x in (query, key, value)), random


@given(st.integers(0, 10**6), SIZES, st.integers(1, 4), st.integers(2, 9), SIZES, SIZES, SIZES)
@settings(max_examples=30, deadline=None)
def test_it_is_the_dense_route(seed, batch, number, keys, heads, width, value_width):
    arrays, random = make(seed, batch, number, keys, heads, width, value_width)
    masks = [None, random.integers(0, 2, (batch, number, keys)).astype(bool)]
    steps = random.integers(-1, keys, (batch, number)).astype("int32")
    masks.append(StepMask(steps, random.permutation(keys).astype("int32")))
    for mask in masks:
        found = to_numpy(few_queries.few_queries_attention(*arrays, mask))
        wanted = to_numpy(dense_attention(*arrays, mask, 0.0, None))
        assert found.shape == (batch, number, heads, value_width)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_dtypes_are_kept():
    arrays, _ = make(0, 2, 1, 5, 2, 4, 3, "float16")
    found = few_queries.few_queries_attention(*arrays, None)
    assert to_numpy(found).dtype == "float16"
    wanted = to_numpy(dense_attention(*(x.astype("float32") for x in arrays), None, 0.0, None))
    np.testing.assert_allclose(to_numpy(found), wanted, atol=4e-3)


@pytest.mark.parametrize("number, dropout, chosen", [(1, 0.0, True), (4, 0.0, True)])
def test_few_queries_without_dropout_take_it(number, dropout, chosen):
    (query, _, _), _ = make(0, 1, number, 5, 2, 4, 3)
    assert few_queries.reads_in_place(query, dropout) is chosen


@pytest.mark.parametrize("number, dropout", [(5, 0.0), (1, 0.1)])
def test_others_do_not(number, dropout):
    (query, _, _), _ = make(0, 1, number, 5, 2, 4, 3)
    assert not few_queries.reads_in_place(query, dropout)
