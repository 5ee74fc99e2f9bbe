"""Texts that come in pieces are those of one long call."""

import numpy as np
import pytest

from savedmodels.client import Client
from tests.savedmodels import exports
from tests.savedmodels.clients import failure
from tests.serving.stand_in import StandIn

LATENTS = 4  # of the exported model, whose context is 40
PROMPTS = ["größe 𝄞", "", "a", b"\xff\xf0\x9d"]
SAMPLING = [
    {"temperature": 0.0},
    {"temperature": 1.0, "top_p": 0.9, "seed": -3},
    {"temperature": 50.0, "top_p": 1.0, "seed": 2},
]


@pytest.mark.parametrize("pace", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("sampling", SAMPLING)
def test_with_the_latents_known_the_text_is_that_of_one_call(connect, sampling, pace):
    client = connect()
    for prompt in PROMPTS:
        arguments = {"max_new_tokens": 28, **sampling}
        (wanted,) = client.generate_text(prompt, **arguments)["text"]
        pieces = list(
            client.generate_text_stream(
                prompt, **arguments, tokens_at_a_time=pace, num_latents=LATENTS
            )
        )
        assert "".join(pieces) == wanted
        assert all(pieces)


def test_within_the_latents_nothing_has_to_be_known(connect):
    client = connect()
    for seed in range(8):
        arguments = {"max_new_tokens": LATENTS - 1, "seed": seed, "top_p": 1.0}
        (wanted,) = client.generate_text("", **arguments)["text"]
        pieces = client.generate_text_stream("", **arguments, tokens_at_a_time=1)
        assert "".join(pieces) == wanted


def test_beyond_the_latents_it_has_to_be(connect):
    # Or the tests above prove nothing.
    client = connect()
    arguments = {"max_new_tokens": 28, "temperature": 1.0, "top_p": 0.9}
    texts = ["", "a", "b", "words"]
    wanted = [client.generate_text(text, **arguments)["text"][0] for text in texts]
    found = [
        "".join(client.generate_text_stream(text, **arguments, tokens_at_a_time=1))
        for text in texts
    ]
    assert found != wanted


def test_it_comes_as_it_is_asked_for(connect, server):
    client = connect()
    arguments = {"max_new_tokens": 12, "tokens_at_a_time": 4}
    pieces = client.generate_text_stream("a", **arguments)
    assert server.faults.take_count() == 0  # nothing before it is wanted
    next(pieces)
    assert server.faults.take_count() == 3  # two of them once, for whether tokens are bytes
    list(pieces)
    assert server.faults.take_count() == 2
    next(client.generate_text_stream("a", **arguments))
    assert server.faults.take_count() == 1


def test_what_does_not_fit_is_refused_when_it_is_reached(connect):
    client = connect()
    pieces = client.generate_text_stream("a", max_new_tokens=60, tokens_at_a_time=16)
    said = [next(pieces), next(pieces)]
    error = failure(lambda: next(pieces))
    assert error.kind == "refused" and "must not exceed the context + 1" in str(error)
    (wanted,) = client.generate_text_stream("a", max_new_tokens=32, tokens_at_a_time=32)
    assert len("".join(said)) > 0 and wanted[0] == said[0][0]


@pytest.mark.parametrize("wrong", [{"max_new_tokens": -1}, {"temperature": -1.0}, {"top_p": 2.0}])
def test_the_first_piece_is_refused_by_name(connect, wrong):
    client = connect()
    error = failure(lambda: list(client.generate_text_stream("a", **wrong)))
    assert error.kind == "refused" and error.field == next(iter(wrong))
    assert client._are_bytes  # which it was not taken for


def test_another_model_in_the_middle_is_found_out(connect, server):
    pieces = connect().generate_text_stream(
        "a", max_new_tokens=30, tokens_at_a_time=1, num_latents=LATENTS
    )
    next(pieces)
    other = {"token_ids": np.full((1, 4), 70, "int32"), "lengths": np.array([4], "int32")}
    server.faults.answers = {"generate": {**other, "log_probs": np.zeros((1, 4), "float32")}}
    error = failure(lambda: list(pieces))
    assert error.kind == "changed" and "num_latents" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_model_without_text_has_no_stream(tmp_path, protocol):
    _, path = exports.export_copy(tmp_path)
    with (
        StandIn("copy", {1: path}) as server,
        Client(server.targets()[protocol], "copy") as client,
    ):
        assert client.score([[2, 5]])["log_probs"].shape == (1, 2)
        error = failure(lambda: next(client.generate_text_stream("a")))
        assert error.kind == "unknown_signature" and "generate_text" in str(error)
        error = failure(lambda: client.generate_text("a"))
        assert error.kind == "unknown_signature" and "generate_text" in str(error)
