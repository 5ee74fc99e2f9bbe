import keras
import numpy as np
import pytest
from keras import ops

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import (
    VOCAB,
    compiled,
    random_ids,
    shake,
    to_numpy,
    value_and_gradient,
)

SEGMENT, WIDTH = 4, 16
IDS = random_ids(0, 2, 12)


def make_model(num_layers=1, memory_length=8, max_context=12, **options):
    model = kpar.models.TransformerXL(
        VOCAB,
        max_context,
        memory_length,
        num_layers=num_layers,
        width=WIDTH,
        num_heads=2,
        mlp_factor=2,
        **options,
    )
    shake(model)
    return model


def in_segments(run, inputs, memory=None):
    """Logits of each segment of four, and the memory after the last."""
    parts = []
    for start in range(0, inputs.shape[1], SEGMENT):
        segment = inputs[:, start : start + SEGMENT]
        logits, memory = run(segment, memory=memory, return_memory=True)
        parts.append(logits)
    return parts, memory


@pytest.mark.parametrize("position_width", [None, WIDTH])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_segments_with_memory_equal_one_long_pass(num_layers, position_width):
    # As long as the memory holds all that came before, at any depth.
    run = compiled(make_model(num_layers, position_width=position_width))
    parts, _ = in_segments(run, IDS)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), run(IDS), rtol=0, atol=1e-5)
    # And it is the memory that does it.
    assert (np.abs(parts[2] - run(IDS[:, 8:])).max(-1) > 1e-3).all()


def test_a_short_memory_holds_the_latest_entries():
    run = compiled(make_model(memory_length=3))
    parts, _ = in_segments(run, IDS)
    # At depth 1 the last segment reads its own inputs and the three before: those of one pass.
    np.testing.assert_allclose(parts[2][:, 0], run(IDS[:, 5:9])[:, 3], rtol=0, atol=1e-5)
    np.testing.assert_allclose(parts[2], run(IDS[:, 5:])[:, 3:], rtol=0, atol=1e-5)
    assert np.abs(parts[2] - run(IDS)[:, 8:]).max() > 1e-3


def test_depth_reaches_further_back_than_the_memory_is_long():
    run, changed = compiled(make_model(num_layers=2, memory_length=3)), IDS.copy()
    changed[:, 4] = 3 + (IDS[:, 4] - 2) % (VOCAB - 3)  # 4 before the last segment
    (_, _, last), (_, _, other) = in_segments(run, IDS)[0], in_segments(run, changed)[0]
    assert (last != other).any()
    changed[:, 4], changed[:, 0] = IDS[:, 4], changed[:, 4]  # 8 before it, out of reach
    other = in_segments(run, changed)[0][2]
    assert (last == other).all()


def test_the_memory_holds_what_the_blocks_were_given_and_counts_it():
    model = make_model(num_layers=2, memory_length=6)
    run, memory = compiled(model), model.empty_memory(2)
    assert to_numpy(memory["lengths"]).tolist() == [0, 0]
    embedded = to_numpy(model.token_embedding(IDS))
    for start, lengths in ((0, 4), (4, 6), (8, 6)):
        _, memory = run(IDS[:, start : start + 4], memory=memory, return_memory=True)
        assert memory["lengths"].tolist() == [lengths] * 2
        assert [state.shape for state in memory["states"]] == [(2, 6, WIDTH)] * 2
        held = memory["states"][0][:, 6 - lengths :]
        assert (held == embedded[:, start + 4 - lengths : start + 4]).all()
        assert (memory["states"][1] != memory["states"][0]).any()


def test_what_is_not_there_yet_is_not_read():
    model = make_model(num_layers=2)
    run, memory = compiled(model), model.empty_memory(2)
    without = run(IDS[:, :4])
    np.testing.assert_allclose(run(IDS[:, :4], memory=memory), without, rtol=0, atol=1e-5)
    garbage = {**memory, "states": tuple(state + 7.0 for state in memory["states"])}
    assert (run(IDS[:, :4], memory=garbage) == run(IDS[:, :4], memory=memory)).all()
    there = {**garbage, "lengths": np.array([0, 1], "int32")}
    logits = run(IDS[:, :4], memory=there)
    np.testing.assert_allclose(logits[0], without[0], rtol=0, atol=1e-5)
    assert np.abs(logits[1] - without[1]).max() > 1e-3


def test_rows_of_different_length_remember_their_own():
    # Row 0 in segments of 4, 1 and 3 inputs, row 1 of 2, 4 and 4.
    lengths = np.array([[4, 2], [1, 4], [3, 4]], "int32")
    run, memory = compiled(make_model(num_layers=2, memory_length=9)), None
    ends = np.cumsum(lengths, axis=0)
    logits = np.zeros((2, 12, VOCAB))
    for length, end in zip(lengths, ends):
        segment = np.full((2, SEGMENT), 7, "int32")  # what follows a row must not matter
        for row in range(2):
            segment[row, : length[row]] = IDS[row, end[row] - length[row] : end[row]]
        inputs = {"token_ids": segment, "lengths": length}
        part, memory = run(inputs, memory=memory, return_memory=True)
        for row in range(2):
            logits[row, end[row] - length[row] : end[row]] = part[row, : length[row]]
    assert memory["lengths"].tolist() == [8, 9]
    whole = run(IDS)
    np.testing.assert_allclose(logits[0, :8], whole[0, :8], rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits[1, :10], whole[1, :10], rtol=0, atol=1e-5)


def test_gradients_stop_at_the_memory():
    model = make_model(num_layers=2)
    first, last = IDS[:, :4], IDS[:, 4:8]
    others = [variable.value for variable in model.non_trainable_variables]
    weights = [variable.value for variable in model.trainable_variables]
    _, kept = compiled(model)(first, return_memory=True)

    def loss(weights, memory):
        logits, _ = model.stateless_call(weights, others, last, memory=memory)
        return ops.sum(ops.square(logits))

    def through(weights):
        (_, memory), _ = model.stateless_call(weights, others, first, return_memory=True)
        return loss(weights, memory)

    def of_constants(weights):
        return loss(weights, keras.tree.map_structure(ops.convert_to_tensor, kept))

    value, gradients = value_and_gradient(through, weights)
    other_value, other_gradients = value_and_gradient(of_constants, weights)
    assert value == pytest.approx(other_value, rel=1e-5)
    for gradient, other in zip(gradients, other_gradients):
        scale = max(np.abs(other).max(), 1e-3)
        np.testing.assert_allclose(gradient, other, atol=1e-5 * scale, rtol=0)


def test_memory_in_mixed_precision_is_as_the_computation():
    model = make_model(num_layers=2, dtype="mixed_bfloat16")
    exact = in_segments(compiled(make_model(num_layers=2)), IDS)[0]
    parts, memory = in_segments(compiled(model), IDS)
    for state in (*memory["states"], *model.empty_memory(2)["states"]):
        assert keras.backend.standardize_dtype(state.dtype) == "bfloat16"
    for close, wanted in zip(parts, exact):
        assert close.dtype == np.float32
        assert np.abs(close - wanted).max() < 0.1 * np.abs(wanted).max()


def test_a_symbolic_call_tells_the_memory():
    model = make_model(num_layers=2)
    logits, memory = model.compute_output_spec(ops.zeros((2, 4), "int32"), return_memory=True)
    assert logits.shape == (2, 4, VOCAB)
    assert [state.shape for state in memory["states"]] == [(2, 8, WIDTH)] * 2
    assert (memory["lengths"].shape, memory["lengths"].dtype) == ((2,), "int32")


def test_what_it_does_not_take():
    model = make_model()
    with pytest.raises(ValueError, match="leave `positions` out"):
        model({"token_ids": IDS, "positions": IDS})
    right = model.empty_memory(2)
    for memory in (
        make_model(memory_length=3).empty_memory(2),
        make_model(num_layers=2).empty_memory(2),
        model.empty_memory(3),
        {},
        {"states": right["states"]},
        list(right["states"]),
        {**right, "lengths": model.empty_memory(3)["lengths"]},
    ):
        with pytest.raises(ValueError, match=r"`states`, 1 of shape \(2, 8, 16\), and `lengths`"):
            model(IDS, memory=memory)
    with pytest.raises(ValueError, match="`memory_length` must be an integer ≥ 1"):
        make_model(memory_length=0)
