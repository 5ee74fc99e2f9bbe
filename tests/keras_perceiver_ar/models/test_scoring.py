import numpy as np
import pytest

from tests.keras_perceiver_ar.support import CONTEXT, compiled, random_ids, tiny_model, to_numpy

WIDTH = 12
LENGTHS = np.array([12, 9, 5, 2, 1, 0], "int32")


@pytest.fixture(scope="module", params=["rotary", "absolute"])
def model(request):
    return tiny_model(request.param)


@pytest.fixture(scope="module")
def ids():
    ids = random_ids(0, len(LENGTHS), WIDTH)
    ids[1, 4] = 0  # within its length: an input as any other
    return ids


def brute_force(model, ids, lengths, num_latents):
    """Each token from a forward call of its own, over the block of latents that it falls in.

    Blocks of `num_latents` are counted from the last input that predicts something, number
    length − 2; the first block of a row holds what remains.
    """
    run = compiled(model)
    scores = np.full(ids.shape, np.nan)
    for end in range(1, ids.shape[1]):
        rows = [
            row
            for row, length in enumerate(lengths)
            if length > end and (length - 1 - end) % num_latents == 0
        ]
        if not rows:
            continue
        # All rows in one call of one shape; those that are not at a block's end are left out.
        ends = np.full(len(ids), end, "int32")
        logits = run({"token_ids": ids, "lengths": ends}, num_latents=num_latents).astype("float64")
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        for row in rows:
            for token in range(max(end - num_latents + 1, 1), end + 1):
                latent = num_latents - 1 - (end - token)  # the one on input token − 1
                scores[row, token] = log_probs[row, latent, ids[row, token]]
    return scores


@pytest.mark.parametrize("num_latents", [None, 1, 5, 11, 12, 20])
def test_scores_are_those_of_strided_blocks(model, ids, num_latents):
    scores = to_numpy(model.score({"token_ids": ids, "lengths": LENGTHS}, num_latents=num_latents))
    assert scores.dtype == np.float32
    wanted = brute_force(model, ids, LENGTHS, min(num_latents or 4, WIDTH))
    index = np.arange(WIDTH)
    scored = (index > 0) & (index < LENGTHS[:, None])
    assert (np.isnan(scores) == ~scored).all()
    np.testing.assert_allclose(scores[scored], wanted[scored], rtol=0, atol=1e-5)


def test_padding_and_its_width_do_not_matter(model, ids):
    scores = to_numpy(model.score({"token_ids": ids, "lengths": LENGTHS}))
    garbage = np.where(np.arange(WIDTH) < LENGTHS[:, None], ids, 7)
    wide = np.pad(garbage, [(0, 0), (0, 3)], constant_values=9)
    again = to_numpy(model.score({"token_ids": wide, "lengths": LENGTHS}))
    np.testing.assert_allclose(again[:, :WIDTH], scores, rtol=0, atol=1e-5)
    assert np.isnan(again[:, WIDTH:]).all()


def test_without_lengths_a_row_ends_at_its_first_zero(model, ids):
    ended = np.where(np.arange(WIDTH) < LENGTHS[:, None], ids, 0)
    ended[1, 4] = 8
    both = [
        model.score({"token_ids": ended}),
        model.score({"token_ids": ended, "lengths": LENGTHS}),
    ]
    np.testing.assert_array_equal(*[to_numpy(scores) for scores in both])


def test_positions_are_those_that_are_given(model, ids):
    inputs = {"token_ids": ids, "lengths": LENGTHS}
    index = np.broadcast_to(np.arange(1, WIDTH + 1, dtype="int32"), ids.shape)
    plain = to_numpy(model.score(inputs))
    same = to_numpy(model.score({**inputs, "positions": index}))
    np.testing.assert_allclose(same, plain, rtol=0, atol=1e-6)
    other = to_numpy(model.score({**inputs, "positions": index[:, ::-1]}))
    assert np.nanmax(np.abs(other - plain)) > 1e-2


def test_probabilities_of_all_continuations_sum_to_one(model):
    ids = np.tile(random_ids(3, 1, 6), (20, 1))
    ids[:, 5] = np.arange(20)
    scores = to_numpy(model.score({"token_ids": ids, "lengths": np.full(20, 6)}))
    assert np.exp(scores[:, 5].astype("float64")).sum() == pytest.approx(1, abs=1e-5)
    assert (scores[:, 1:5] == scores[0, 1:5]).all()


@pytest.mark.parametrize("width", [1, 2])
def test_rows_of_one_and_two_inputs(model, width):
    scores = to_numpy(model.score({"token_ids": random_ids(0, 2, width)}))
    assert np.isnan(scores[:, 0]).all()
    assert np.isfinite(scores[:, 1:]).all()


def test_rows_beyond_the_context_are_refused(model):
    with pytest.raises(ValueError, match=f"max_context={CONTEXT}"):
        model.score({"token_ids": random_ids(0, 1, CONTEXT + 1)})


@pytest.mark.parametrize("token_id", [-1, 10**6])
def test_ids_outside_the_vocabulary_are_refused(model, token_id):
    # On JAX they would be NaN, or rows counted from the end.
    ids = random_ids(0, 2, WIDTH)
    ids[1, 3] = token_id
    with pytest.raises(ValueError, match=f"`token_ids` must lie in 0 … .* Received: {token_id}"):
        model.score({"token_ids": ids})


@pytest.mark.parametrize("num_latents", [0, -1, 2.5, 25])
def test_num_latents_out_of_range_are_refused(model, num_latents):
    with pytest.raises(ValueError, match="num_latents"):
        model.score({"token_ids": random_ids(0, 1, WIDTH)}, num_latents=num_latents)


@pytest.mark.parametrize(
    ("named", "changed"),
    [
        (r"`lengths` must have .*Received: shape \(1,\)", {"lengths": np.array([3])}),
        ("`positions` must have the shape", {"positions": np.ones((1, 6), "int32")}),
        ("must be integers. Received: dtype float32", {"token_ids": np.ones((2, 6), "float32")}),
    ],
)
def test_inputs_that_would_be_broadcast_or_cut_are_refused(named, changed):
    inputs = {"token_ids": np.full((2, 6), 5, "int32"), **changed}
    with pytest.raises(ValueError, match=named):
        tiny_model().score(inputs)
