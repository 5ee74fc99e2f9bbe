"""Requests that TF Serving batches are answered as each is alone, in a wider array.

TF Serving does not run here. `batched` does what its batching session does with
`pad_variable_length_inputs`: tensors of a name are padded behind, with their own first element, to
the widest; joined; and what comes out is split along the batch.
"""

import numpy as np
import pytest
import tensorflow as tf

from tests.savedmodels import exports

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    _, path = exports.export_copy(tmp_path_factory.mktemp("copy"), "--stepwise")
    return tf.saved_model.load(str(path))


def batched(loaded, signature, requests):
    merged = {}
    for name in requests[0]:
        tensors = [request[name] for request in requests]
        most = np.max([tensor.shape[1:] for tensor in tensors], axis=0).astype(int)
        padded = (
            np.pad(
                tensor,
                [(0, 0), *((0, m - n) for m, n in zip(most, tensor.shape[1:]))],
                constant_values=tensor.flat[0],
            )
            for tensor in tensors
        )
        merged[name] = np.concatenate(list(padded))
    answer = exports.ask(loaded, signature, **merged)
    ends = np.cumsum([len(request["lengths"]) for request in requests])
    assert {len(value) for value in answer.values()} == {ends[-1]}  # or it would be refused
    return [
        {name: value[start:end] for name, value in answer.items()}
        for start, end in zip([0, *ends], ends)
    ]


def prompts(rows, room=0):
    token_ids, lengths = exports.padded(rows)
    return {"token_ids": np.pad(token_ids, ((0, 0), (0, room))), "lengths": lengths}


REQUESTS = (
    [[2, 40, 50, 60, 70, 80, 90], [2, 3]],
    [[2, 258, 3]],
    [[2]],
)


def check(alone, together, atol=1e-5):
    """What was asked for is the same; what is wider holds nothing."""
    for name, wanted in alone.items():
        found = together[name]
        assert found.ndim == wanted.ndim and all(
            f >= w for f, w in zip(found.shape, wanted.shape)
        ), name
        part = found[tuple(slice(size) for size in wanted.shape)]
        np.testing.assert_allclose(part, wanted, atol=atol, err_msg=name)


def test_scores_are_wider_and_the_same(loaded):
    requests = [prompts(rows) for rows in REQUESTS]
    answers = batched(loaded, "score", requests)
    for request, together in zip(requests, answers):
        check(exports.ask(loaded, "score", **request), together)
        assert np.isnan(together["log_probs"][:, request["token_ids"].shape[1] :]).all()
    assert {answer["log_probs"].shape[1] for answer in answers} == {7}


def test_what_is_generated_is_wider_and_the_same(loaded):
    requests = [
        prompts(rows) | exports.sampling(len(rows), seed=(number,), max_new_tokens=(number,))
        for number, rows in zip((3, 9, 12), REQUESTS)
    ]
    # One of nothing, in a width that can be padded: TF Serving repeats a first element.
    nothing = {"token_ids": np.zeros((1, 1), "int32"), "lengths": np.zeros(1, "int32")}
    requests.append(nothing | exports.sampling(1, max_new_tokens=(5,)))
    answers = batched(loaded, "generate", requests)
    for request, together in zip(requests, answers):
        check(exports.ask(loaded, "generate", **request), together)
        behind = np.arange(together["token_ids"].shape[1]) >= together["lengths"][:, None]
        assert not together["token_ids"][behind].any()
    # As wide as the longest of all asks for: a short request waits for it.
    assert {answer["token_ids"].shape[1] for answer in answers} == {13}


def test_states_get_wider_and_stay_right(loaded):
    requests = [prompts(rows, room) for rows, room in zip(REQUESTS, (3, 2, 4))]
    states = [exports.ask(loaded, "prefill", **request) for request in requests]
    together = batched(loaded, "prefill", requests)
    for _ in range(2):
        for alone, joined in zip(states, together):
            np.testing.assert_allclose(joined["log_probs"], alone["log_probs"], atol=1e-5)
            check({"lengths": alone["lengths"]}, joined)
        states, together = (
            [
                {name: value for name, value in state.items() if name != "log_probs"}
                for state in some
            ]
            for some in (states, together)
        )
        for state in (*states, *together):
            state["token_ids"] = state.pop("logits").argmax(axis=1).astype("int32")
        states = [exports.ask(loaded, "decode", **state) for state in states]
        together = batched(loaded, "decode", together)
    assert {state["history"].shape[1] for state in together} == {10}
