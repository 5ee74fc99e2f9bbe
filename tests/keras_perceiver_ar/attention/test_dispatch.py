import keras
import numpy as np
import pytest

from keras_perceiver_ar.attention import AttentionRoute, dot_product_attention
from keras_perceiver_ar.masks import latent_attention_mask
from tests.keras_perceiver_ar.support import to_numpy, value_and_gradient

MASK = np.array(
    [
        [
            [1, 0, 0, 0],
            [1, 1, 0, 0],
            [1, 0, 1, 1],
        ],
        [
            [1, 1, 1, 1],
            [0, 1, 0, 1],
            [0, 0, 0, 0],
        ],
    ],
    "bool",
)


@pytest.fixture(scope="module")
def heads():
    random = np.random.default_rng(0)
    shapes = [(2, 3, 5, 8), (2, 4, 5, 8), (2, 4, 5, 6)]
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def by_hand(query, key, value, mask):
    """One query at a time, over the keys it may read, in float64."""
    query, key, value = (array.astype("float64") for array in (query, key, value))
    result = np.zeros((*query.shape[:3], value.shape[-1]))
    for row, n, head in np.ndindex(query.shape[:3]):
        keys = np.flatnonzero(mask[row, n]) if mask[row, n].any() else np.arange(key.shape[1])
        scores = key[row, keys, head] @ query[row, n, head] / np.sqrt(query.shape[-1])
        if not mask[row, n].any():
            scores = np.zeros_like(scores)  # nothing allowed: the plain mean of all values
        weights = np.exp(scores - scores.max())
        result[row, n, head] = weights / weights.sum() @ value[row, keys, head]
    return result


@pytest.mark.parametrize("mask", [MASK, None], ids=["masked", "unmasked"])
def test_softmax_over_the_keys_that_are_allowed(heads, mask):
    result = dot_product_attention(*heads, mask)
    assert result.shape == (2, 3, 5, 6)
    wanted = by_hand(*heads, np.ones((2, 3, 4), bool) if mask is None else mask)
    np.testing.assert_allclose(to_numpy(result), wanted, rtol=0, atol=1e-6)


def test_masked_keys_and_values_change_nothing(heads):
    query, key, value = heads
    spoiled = [array.copy() for array in (key, value)]
    for array in spoiled:
        array[0, 1:] = 1e6  # for the first query, and the first query of row 0 alone
    first = to_numpy(dot_product_attention(query, key, value, MASK))[0, 0]
    assert (to_numpy(dot_product_attention(query, *spoiled, MASK))[0, 0] == first).all()


def test_nothing_allowed_gives_the_mean_of_all_values(heads):
    result = to_numpy(dot_product_attention(*heads, MASK))[1, 2]
    np.testing.assert_allclose(result, heads[2][1].mean(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_single_key_is_read_whatever_its_score(heads, allowed):
    query, key, value = heads
    mask = np.full((2, 3, 1), allowed)
    result = to_numpy(dot_product_attention(query, key[:, :1], value[:, :1], mask))
    assert (result == np.broadcast_to(value[:, :1], result.shape)).all()


def test_a_single_key_has_a_gradient_of_nothing(heads):
    query, key, value = heads
    arrays = [query, key[:, :1], value[:, :1]]
    _, gradients = value_and_gradient(
        lambda arrays: keras.ops.sum(dot_product_attention(*arrays)), arrays
    )
    assert not np.any(gradients[0]) and not np.any(gradients[1])
    np.testing.assert_allclose(gradients[2], np.full(arrays[2].shape, 3.0), atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "blockwise"])
@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 1, 4), (1, 3, 4), (1, 1, 1)])
def test_masks_are_broadcast(heads, shape, kind):
    mask = np.random.default_rng(3).integers(0, 2, shape).astype("bool")
    route = AttentionRoute(kind=kind, key_chunk_size=3 if kind == "blockwise" else None)
    result = dot_product_attention(*heads, mask, route)
    wanted = by_hand(*heads, np.broadcast_to(mask, (2, 3, 4)))
    np.testing.assert_allclose(to_numpy(result), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 2, 4), (3, 4), (2, 5, 3, 4)])
def test_masks_of_other_shapes_are_refused(heads, shape):
    with pytest.raises(ValueError, match=r"`mask` must have the shape \(B, N, M\)"):
        dot_product_attention(*heads, np.ones(shape, "bool"))


@pytest.mark.parametrize("kind", ["dense", "blockwise"])
@pytest.mark.parametrize("wide", [0, 1, 2])
def test_of_mixed_dtypes_the_widest_computes(heads, kind, wide):
    dtypes = ["float32" if index == wide else "bfloat16" for index in range(3)]
    route = AttentionRoute(kind=kind, key_chunk_size=3 if kind == "blockwise" else None)

    def total(arrays):
        arrays = [keras.ops.cast(x, dtype) for x, dtype in zip(arrays, dtypes, strict=True)]
        result = dot_product_attention(*arrays, MASK, route)
        assert keras.backend.standardize_dtype(result.dtype) == dtypes[2]
        return keras.ops.sum(keras.ops.square(keras.ops.cast(result, "float32")))

    narrow = [
        to_numpy(keras.ops.cast(keras.ops.cast(x, dtype), "float32"))
        for x, dtype in zip(heads, dtypes, strict=True)
    ]
    value, gradients = value_and_gradient(total, heads)
    wanted = np.square(by_hand(*narrow, MASK)).sum()
    assert to_numpy(value) == pytest.approx(wanted, rel=1e-5 if wide == 2 else 1e-2)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_softmax_of_bfloat16_is_float32():
    # 512 equal keys: 1/512 times 512 is 1 in float32, and far from it when bfloat16 sums.
    ones = keras.ops.ones((1, 512, 1, 4), "bfloat16")
    result = dot_product_attention(ones[:, :2], ones, ones)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    assert (to_numpy(keras.ops.cast(result, "float32")) == 1).all()


def test_large_scores_do_not_overflow(heads):
    query, key, value = heads
    result = to_numpy(dot_product_attention(query * 1e4, key * 1e4, value, MASK))
    assert np.isfinite(result).all()


ROUTES = {
    "one head at a time": AttentionRoute(head_group_size=1),
    "head groups that do not divide": AttentionRoute(head_group_size=2),
    "chunks of keys that do not divide": AttentionRoute(key_chunk_size=3),
    "one query and one key at a time": AttentionRoute(query_chunk_size=1, key_chunk_size=1),
    "all of it": AttentionRoute(2, 2, 2),
    "chunks larger than everything": AttentionRoute(99, 99, 99),
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("mask", [MASK, None], ids=["masked", "unmasked"])
def test_every_route_gives_the_same(heads, name, mask):
    def total(arrays, route):
        return keras.ops.sum(keras.ops.square(dot_product_attention(*arrays, mask, route)))

    result = dot_product_attention(*heads, mask, ROUTES[name])
    np.testing.assert_allclose(
        to_numpy(result), to_numpy(dot_product_attention(*heads, mask)), rtol=0, atol=1e-6
    )
    _, gradients = value_and_gradient(lambda arrays: total(arrays, ROUTES[name]), heads)
    _, wanted = value_and_gradient(lambda arrays: total(arrays, None), heads)
    for gradient, other in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("num_positions", "route"),
    [
        (5, AttentionRoute(query_chunk_size=2)),  # cuts through positions
        (5, AttentionRoute(query_chunk_size=6)),
        (90, None),  # 270 queries, which `auto` cuts between positions
    ],
)
def test_the_latents_of_a_position_see_each_other_in_chunks_too(num_positions, route):
    steps = np.repeat(np.arange(num_positions), 3)[None]
    mask = latent_attention_mask(keras.ops.convert_to_tensor(steps, "int32"), None, 3)
    random = np.random.default_rng(0)
    heads = random.normal(size=(3, 1, steps.size, 2, 4)).astype("float32")
    seen = steps[:, None, :] <= steps[:, :, None]
    assert seen[0, 0, 2] and not seen[0, 2, 3]
    result = dot_product_attention(*heads, mask, route)
    np.testing.assert_allclose(to_numpy(result), by_hand(*heads, seen), rtol=0, atol=2e-6)


def test_chunks_do_not_overflow_where_scores_are_large(heads):
    query, key, value = heads
    result = dot_product_attention(query * 1e4, key, value, MASK, AttentionRoute(None, None, 3))
    wanted = dot_product_attention(query * 1e4, key, value, MASK)
    np.testing.assert_allclose(to_numpy(result), to_numpy(wanted), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["all of it", "chunks larger than everything"])
def test_dropout_of_the_probabilities_acts_and_keeps_their_mean(name):
    random = np.random.default_rng(1)
    query, key = (random.normal(size=(200, 4, 3, 8)).astype("float32") for _ in range(2))
    value = np.ones((200, 4, 3, 2), "float32")
    seed = np.array([5, 6], "uint32")
    drawn = to_numpy(dot_product_attention(query, key, value, None, ROUTES[name], 0.4, seed))
    draws = drawn[..., 0].ravel()  # both channels of a head share its probabilities
    assert draws.std() > 0.1
    assert abs(draws.mean() - 1.0) < 4 * draws.std() / np.sqrt(draws.size)
    again = to_numpy(dot_product_attention(query, key, value, None, ROUTES[name], 0.4, seed))
    assert (again == drawn).all()


@pytest.mark.parametrize("size", ["head_group_size", "query_chunk_size", "key_chunk_size"])
def test_sizes_of_a_route_that_are_none(size):
    with pytest.raises(ValueError, match=f"`{size}` must be an integer ≥ 1"):
        AttentionRoute(**{size: -1})
