"""What a client does about inputs that a model may have or not, over gRPC and over REST."""

import numpy as np
import pytest
import tensorflow as tf

from savedmodels import client as command
from savedmodels import sampling_inputs
from savedmodels.client import Client
from savedmodels.serving_client.inputs import OFF
from tests.pipelines import runs
from tests.savedmodels import exports
from tests.savedmodels.clients import AT_ONCE, failure
from tests.serving.stand_in import StandIn

ROWS = [[2, 40, 50, 60, 40, 50], [], [2, 40], [2]]
GIVEN = {name: value.tolist() for name, value in exports.FURTHER.items()}
SAMPLING = {"seed": 5, "max_new_tokens": 20, "temperature": 2.0}


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A version whose `generate` takes all of them."""
    folder = tmp_path_factory.mktemp("optional")
    return exports.export_text(folder, "--sampling", *sampling_inputs.OPTIONAL)[1]


@pytest.fixture(scope="module")
def running(version, text_version):
    # Version 1 is of the same model, without them.
    with StandIn("books", {1: text_version, 2: version}) as server:
        yield server


@pytest.fixture(params=["grpc", "rest"])
def target(running, request):
    running.faults.clear()
    return running.targets()[request.param]


@pytest.fixture
def client(target):
    with Client(target, "books", retries=AT_ONCE) as client:
        yield client


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, name)


def test_they_reach_the_model(client, version):
    token_ids, lengths = exports.padded(ROWS)
    sampling = exports.sampling(
        4, seed=range(5, 9), max_new_tokens=(20,), temperature=(2.0,), top_p=(0.95,)
    )
    wanted = exports.ask(
        tf.saved_model.load(str(version)),
        "generate",
        **{"token_ids": token_ids, "lengths": lengths, **sampling, **exports.FURTHER},
    )
    assert_same(client.generate(ROWS, **SAMPLING, **GIVEN), wanted)


def test_one_number_is_for_all_rows(client):
    several = client.generate_text(["a", "b"], **SAMPLING, top_k=[3, 3])
    assert_same(client.generate_text(["a", "b"], **SAMPLING, top_k=3), several)
    assert client.generate_text(["a", "b"], **SAMPLING)["text"] != several["text"]


def test_who_gives_none_is_answered_as_by_a_model_without(client, target, running):
    with Client(target, "books", version=1) as other:
        assert_same(client.generate(ROWS, **SAMPLING), other.generate(ROWS, **SAMPLING))
        running.faults.take_count()
        assert_same(client.generate(ROWS, **SAMPLING), other.generate(ROWS, **SAMPLING))
        assert running.faults.take_count() == 2  # nothing had to be found out again
        text = client.generate_text(["a", "b"], **SAMPLING)
        assert_same(text, other.generate_text(["a", "b"], **SAMPLING))


def test_a_model_without_them_is_asked_no_more_than_before(target, running):
    with Client(target, "books", version=1) as client:
        client.generate(ROWS, **SAMPLING)
        assert running.faults.take_count() == 1


@pytest.mark.parametrize("name", OFF)
def test_a_model_without_one_says_what_to_do(target, running, name):
    with Client(target, "books", version=1) as client:
        for call in (
            lambda: client.generate([[2]], max_new_tokens=3, **{name: 1}),
            lambda: client.generate_text("a", **{name: 1}),
            lambda: list(client.generate_text_stream("a", **{name: 1})),
        ):
            error = failure(call)
            assert error.kind == "unknown_input" and error.field == name and error.is_users
            assert f"{name}: version 1 of the model takes no such input" in str(error)
            assert "export the model with --sampling" in str(error)


def test_a_signature_that_is_not_there_is_said_first(client):
    given = {"top_k": np.int32([3])}

    def call(seconds):
        return client._optional.predict("draw", {"text": [b"a"]}, given, {}, seconds)

    assert failure(lambda: client._call(call, None)).kind == "unknown_signature"


@pytest.mark.parametrize("given", [{"top_k": 2}, {}])
def test_another_version_may_take_others(running, target, text_version, version, given):
    model = running._model
    with Client(target, "books", retries=AT_ONCE) as client:
        wanted = client.generate([[2]], max_new_tokens=9, **given)
        newest = model.versions.pop(2)
        try:
            if given:
                error = failure(lambda: client.generate([[2]], max_new_tokens=9, **given))
                assert error.kind == "unknown_input"
            else:
                assert_same(client.generate([[2]], max_new_tokens=9), wanted)
        finally:
            model.versions[2] = newest
        assert_same(client.generate([[2]], max_new_tokens=9, **given), wanted)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top_k": -1}, "top_k must be a finite number ≥ 0"),
        ({"min_p": 1.5}, "min_p must lie in 0 … 1"),
        ({"typical_p": float("nan")}, "typical_p must lie in 0 … 1"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty must lie in 0.001 … 1000"),
    ],
)
def test_the_model_refuses_by_name(client, running, given, said):
    (name,) = given
    for _ in range(2):
        running.faults.take_count()
        error = failure(lambda: client.generate(ROWS, **SAMPLING, **given))
        assert error.kind == "refused" and error.field == name and said in str(error)
        assert running.faults.take_count() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top_k": 1.5}, "top_k must hold integers, got float64"),
        ({"min_p": "a"}, "min_p must hold numbers, got str 'a'"),
        ({"typical_p": [0.5, 0.5]}, "one for each of the 1 rows, got shape (2,)"),
    ],
)
def test_types_are_refused_before_anything_is_sent(client, running, given, said):
    for call in (
        lambda: client.generate([[2]], max_new_tokens=3, **given),
        lambda: client.generate_text("a", **given),
        lambda: client.generate_text_stream("a", **given),
    ):
        error = failure(call)
        assert error.kind == "bad_input" and error.field in given and said in str(error)
    assert running.faults.take_count() == 0


def test_the_time_of_a_call_is_that_of_all_it_asks(client, running):
    running.faults.hold(1)
    error = failure(lambda: client.generate([[2]], max_new_tokens=3, top_k=3, timeout=0.2))
    assert error.kind == "timeout" and error.seconds < 5
    running.faults.release()


def test_a_stream_is_that_of_one_call(client):
    arguments = {**SAMPLING, "top_k": 30, "repetition_penalty": 1.5}
    (wanted,) = client.generate_text("größe", **arguments)["text"]
    pieces = client.generate_text_stream("größe", **arguments, tokens_at_a_time=3, num_latents=4)
    assert "".join(pieces) == wanted
    (other,) = client.generate_text("größe", **SAMPLING)["text"]
    assert other != wanted


def test_the_command_has_flags_for_them(target, client, capsys):
    flags = [f"--target={target}", "--model=books", "--prompt=a", "--max_new_tokens=12"]
    given = {"top_k": 30, "min_p": 0.01, "typical_p": 0.9, "repetition_penalty": 1.5}
    (wanted,) = client.generate_text("a", max_new_tokens=12, **given)["text"]
    flags += [f"--{name}={value}" for name, value in given.items()]
    for more in ([], ["--stream", "--num_latents=4"]):
        capsys.readouterr()
        assert runs.call(command.main, *flags, *more) == 0
        assert capsys.readouterr().out == f"a{wanted}\n"
    line = runs.refusal(capsys, command.main, *flags, "--version=1")
    assert "top_k, min_p, typical_p, repetition_penalty: version 1 of the model" in line
    assert "export the model with --sampling" in line
    assert "min_p must lie in 0 … 1" in runs.refusal(capsys, command.main, *flags, "--min_p=2")
