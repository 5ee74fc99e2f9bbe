"""Blocks of keys give what all keys at once give, for any sizes, masks and rows."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_perceiver_ar import masks
from keras_perceiver_ar.attention import AttentionRoute, dispatch, dot_product_attention
from tests.keras_perceiver_ar.support import BACKEND, to_numpy, value_and_gradient

DENSE = AttentionRoute(kind="dense")
BLOCKS_OF_8 = AttentionRoute(key_chunk_size=8)
on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="JAX has no sizes that are known at run time alone"
)


def draw(seed, *shapes):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def relative(found, wanted):
    return np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-3)


def both(arrays, mask, route, weights):
    """Output and gradients along a route, and those of the dense one."""

    def total(arrays, route):
        return keras.ops.sum(weights * dot_product_attention(*arrays, mask, route))

    return [
        (
            to_numpy(dot_product_attention(*arrays, mask, each)),
            value_and_gradient(lambda arrays, each=each: total(arrays, each), arrays)[1],
        )
        for each in (route, DENSE)
    ]


@settings(max_examples=15, deadline=None)
@given(
    num_keys=st.integers(2, 40),
    num_queries=st.integers(1, 9),
    block=st.integers(1, 41),
    lengths=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    kind=st.sampled_from(["steps", "left out", "booleans", "none"]),
    seed=st.integers(0, 99),
)
def test_blockwise_equals_dense(num_keys, num_queries, block, lengths, kind, seed):
    shapes = [(2, num_queries, 2, 4), (2, num_keys, 2, 4), (2, num_keys, 2, 3)]
    *arrays, weights = draw(seed, *shapes, (2, num_queries, 2, 3))
    steps = masks.latent_steps(np.minimum(lengths, num_keys).astype("int32"), num_queries)
    mask = masks.cross_attention_mask(steps, num_keys)
    if kind == "left out":  # some inputs of each row are read by nobody
        keep = np.random.default_rng(seed).random((2, num_keys)) < 0.6
        key_steps = np.where(keep, np.arange(num_keys), masks.NOWHERE).astype("int32")
        mask = masks.cross_attention_mask(steps, keras.ops.convert_to_tensor(key_steps))
    elif kind == "booleans":
        mask = to_numpy(mask.dense())
    elif kind == "none":
        mask = None
    route = AttentionRoute(key_chunk_size=block, kind="blockwise")
    (output, gradients), (wanted, wanted_gradients) = both(arrays, mask, route, weights)
    np.testing.assert_allclose(output, wanted, rtol=0, atol=1e-5)
    for gradient, other in zip(gradients, wanted_gradients, strict=True):
        assert relative(gradient, other) < 1e-5


def test_rounding_in_bfloat16_is_that_of_the_dense_route():
    query, key, value = draw(0, (1, 64, 2, 32), (1, 1000, 2, 32), (1, 1000, 2, 32))
    mask = masks.cross_attention_mask(np.arange(936, 1000, dtype="int32")[None], 1000)
    arrays = [keras.ops.cast(x, "bfloat16") for x in (query, key, value)]
    exact = [to_numpy(keras.ops.cast(x, "float32")).astype("float64") for x in arrays]
    scores = np.einsum("bnhd,bmhd->bhnm", *exact[:2]) / np.sqrt(32)
    scores = np.where(to_numpy(mask.dense())[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    wanted = np.einsum("bhnm,bmhd->bnhd", weights, exact[2])

    def error(route):
        found = dot_product_attention(*arrays, mask, route)
        return np.linalg.norm(to_numpy(keras.ops.cast(found, "float32")) - wanted)

    blocks = AttentionRoute(key_chunk_size=96)
    assert error(blocks) < 2 * error(DENSE)


def test_a_block_of_infinitely_low_scores_counts_for_nothing():
    # In float16 a score below −65504 is −∞; here all of the first block are.
    query = np.full((1, 1, 1, 64), 40, "float16")
    key, value = np.full((1, 8, 1, 64), 1, "float16"), np.ones((1, 8, 1, 2), "float16")
    key[:, :4] = -300
    for kind in ("dense", "blockwise"):
        size = None if kind == "dense" else 4
        route = AttentionRoute(key_chunk_size=size, kind=kind)
        arrays = [keras.ops.convert_to_tensor(x) for x in (query, key, value)]
        assert (to_numpy(dot_product_attention(*arrays, None, route)) == 1).all()


def test_gradients_in_bfloat16_where_keys_and_values_have_means():
    # The error of Σ P · dP would count once for every key, and be turned by their mean.
    query, key, value = draw(0, (1, 16, 2, 32), (1, 500, 2, 32), (1, 500, 2, 32))
    key, value = key + 3, value + 3
    (weights,) = draw(1, (1, 16, 2, 32))

    def gradient(arrays, route):
        def total(arrays):
            output = dot_product_attention(*arrays, None, route)
            return keras.ops.sum(weights * keras.ops.cast(output, "float32"))

        first = value_and_gradient(total, arrays)[1][0]
        return to_numpy(keras.ops.cast(first, "float32"))

    wanted = gradient([query, key, value], DENSE)
    arrays = [to_numpy(keras.ops.cast(x, "bfloat16")) for x in (query, key, value)]
    blocks = AttentionRoute(key_chunk_size=100)
    errors = [np.linalg.norm(gradient(arrays, route) - wanted) for route in (blocks, DENSE)]
    assert errors[0] < 2 * errors[1]


@functools.cache
def of_unknown_width(kind, num_queries=3, jit_compile=False, route=BLOCKS_OF_8):
    """Output and gradients as a function of query, key, value, steps and allowed (B, N, M)."""
    import tensorflow as tf

    def gradients(query, key, value, steps, allowed):
        mask = {"steps": masks.cross_attention_mask(steps, tf.shape(key)[1]), "booleans": allowed}
        with tf.GradientTape() as tape:
            tape.watch((query, key, value))
            output = dot_product_attention(query, key, value, mask.get(kind), route)
            total = tf.reduce_sum(output * output)
        return output, *tape.gradient(total, (query, key, value))

    heads = [tf.TensorSpec((None, n, 2, 4)) for n in (num_queries, None, None)]
    steps = tf.TensorSpec((None, num_queries), tf.int32)
    allowed = tf.TensorSpec((None, num_queries, None), tf.bool)
    return tf.function(gradients, input_signature=[*heads, steps, allowed], jit_compile=jit_compile)


def assert_known_width_gives(function, kind, num_keys, rows=2, seed=0):
    query, key, value = draw(seed, *[(rows, n, 2, 4) for n in (3, num_keys, num_keys)])
    lengths = np.random.default_rng(seed).integers(0, num_keys, rows, "int32", endpoint=True)
    steps = masks.latent_steps(lengths, 3)
    mask = masks.cross_attention_mask(steps, num_keys)
    allowed = to_numpy(mask.dense())
    mask = {"steps": mask, "booleans": allowed}.get(kind)

    def total(arrays):
        return keras.ops.sum(keras.ops.square(dot_product_attention(*arrays, mask, DENSE)))

    output, *gradients = function(query, key, value, steps, allowed)
    wanted = to_numpy(dot_product_attention(query, key, value, mask, DENSE))
    np.testing.assert_allclose(output, wanted, rtol=0, atol=1e-5)
    wanted = [to_numpy(x) for x in value_and_gradient(total, [query, key, value])[1]]
    # Where one key alone is read, that of the query is 0 but for rounding of what cancels.
    most = max(np.abs(x).max() for x in wanted)
    for gradient, other in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(gradient), other, rtol=0, atol=1e-5 * most)


@on_tensorflow
@settings(max_examples=20, deadline=None)
@given(
    # Blocks of 8: fewer keys than one, one, one more, and 3 with 7 that are left.
    num_keys=st.one_of(st.sampled_from([1, 7, 8, 9, 31]), st.integers(1, 60)),
    function=st.sampled_from([("steps", 3), ("steps", None), ("booleans", 3), ("none", None)]),
    rows=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_of_unknown_width_blocks_equal_dense(num_keys, function, rows, seed):
    assert_known_width_gives(of_unknown_width(*function), function[0], num_keys, rows, seed)


@on_tensorflow
@pytest.mark.parametrize("route", [None, BLOCKS_OF_8], ids=["auto", "blocks"])
def test_of_unknown_width_xla_compiles_output_and_gradients(route):
    assert_known_width_gives(of_unknown_width("steps", 3, True, route), "steps", 31)


@on_tensorflow
@pytest.mark.parametrize("num_queries", [10, None])
def test_of_unknown_width_auto_chooses_as_of_a_known_one(num_queries, monkeypatch):
    import tensorflow as tf

    def answer(number):
        return lambda query, key, value, *_: tf.fill(tf.shape(query), number)

    monkeypatch.setattr(dispatch, "MOST_DENSE_SCORES", 450)  # 10 queries × 2 heads × 22 keys
    monkeypatch.setattr(dispatch, "dense_attention", answer(0.0))
    monkeypatch.setattr(dispatch, "blockwise_attention", answer(1.0))
    specs = [tf.TensorSpec((None, n, 2, 4)) for n in (num_queries, None, None)]
    unknown = tf.function(dot_product_attention, input_signature=specs)
    for number, blocks in ((2, 0), (22, 0), (23, 1), (500, 1)):
        for rows in (1, 3):  # whatever the size of the batch, or rounding would follow it
            arrays = [tf.zeros((rows, n, 2, 4)) for n in (10, number, number)]
            for attend in (unknown, dot_product_attention):
                assert (attend(*arrays).numpy() == blocks).all()


@on_tensorflow
def test_a_replica_without_rows_gets_empty_gradients():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, n, 2, 4)) for n in (3, 40, 40)])
    def gradients(*arrays):
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            output = dot_product_attention(*arrays, None, AttentionRoute(key_chunk_size=8))
        return tape.gradient(output, arrays)

    for rows in (0, 1):
        arrays = [tf.ones((rows, n, 2, 4)) for n in (3, 40, 40)]
        assert [g.shape[0] for g in gradients(*arrays)] == [rows] * 3


def test_auto_holds_blocks_where_a_row_has_many_scores():
    # 2**25 scores of a row are dense, one key more is not: memory then stays below one of them.
    query, key, value = draw(0, (1, 512, 16, 2), (1, 4097, 16, 2), (1, 4097, 16, 2))
    mask = masks.cross_attention_mask(np.arange(3585, 4097, dtype="int32")[None], 4097)
    auto = to_numpy(dot_product_attention(query, key, value, mask))
    blocks = AttentionRoute(kind="blockwise")
    blocks = to_numpy(dot_product_attention(query, key, value, mask, blocks))
    assert (auto == blocks).all()
    fewer = [x[:, :4096] for x in (key, value)]
    auto = to_numpy(dot_product_attention(query, *fewer, mask[:, :, :4096]))
    assert (auto == to_numpy(dot_product_attention(query, *fewer, mask[:, :, :4096], DENSE))).all()


@pytest.mark.parametrize("per_position", [1, 2])
def test_scores_above_the_diagonal_are_left_out(per_position):
    # 300 positions are more than one causal chunk; the second row has latents without an input.
    positions = masks.latent_steps(np.array([900, 100], "int32"), 300)
    steps = masks.repeat_latents(positions, per_position)
    mask = masks.latent_attention_mask(steps, None, per_position)
    number = 300 * per_position
    arrays = draw(3, *[(2, number, 1, 4)] * 3)
    plain = to_numpy(mask.dense())
    found = to_numpy(dot_product_attention(*arrays, mask))
    wanted = to_numpy(dot_product_attention(*arrays, plain))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    for broken in (mask.dense(), mask):  # later keys change nothing, on either way
        spoiled = [x.copy() for x in arrays]
        spoiled[1][:, -per_position:] = spoiled[2][:, -per_position:] = 1e3
        early = to_numpy(dot_product_attention(*spoiled, broken))[:, :-per_position]
        np.testing.assert_allclose(early, found[:, :-per_position], rtol=0, atol=1e-6)
