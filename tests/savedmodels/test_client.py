"""The client over gRPC and over REST: the same answers, the same refusals."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from savedmodels.client import Client, ServingError
from tests.pipelines import runs
from tests.savedmodels import exports

ROWS = [[2, 40, 50, 60, 70], [2], [2, 258, 3, 17]]
SAMPLING = {"temperature": [1.0, 0.0, 2.0], "top_p": [0.9, 1.0, 0.5]}


def ask(loaded, signature, **inputs):
    """What the model itself answers."""
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    answer = loaded.signatures[signature](**inputs)
    return {name: value.numpy() for name, value in answer.items()}


def sampling(seed, max_new_tokens):
    return {
        "seed": np.int32(seed),
        "max_new_tokens": np.int32(max_new_tokens),
        **{name: np.float32(value) for name, value in SAMPLING.items()},
    }


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype, name
        np.testing.assert_array_equal(found[name], value, name)  # to the last bit, NaN too


def test_scores_are_those_of_the_model(connect, loaded):
    token_ids, lengths = exports.padded(ROWS)
    wanted = ask(loaded, "score", token_ids=token_ids, lengths=lengths)
    assert np.isnan(wanted["log_probs"]).any()
    client = connect()
    assert_same(client.score(ROWS), wanted)
    assert_same(client.score(token_ids), wanted)  # a row ends at its first 0
    assert_same(client.score(token_ids, lengths), wanted)


def test_what_is_generated_is_that_of_the_model(connect, loaded):
    token_ids, lengths = exports.padded(ROWS)
    drawn = sampling([-7, 2**31 - 1, 0], [9, 4, 0])
    wanted = ask(loaded, "generate", token_ids=token_ids, lengths=lengths, **drawn)
    found = connect().generate(ROWS, max_new_tokens=[9, 4, 0], seed=[-7, 2**31 - 1, 0], **SAMPLING)
    assert_same(found, wanted)


def test_text_is_that_of_the_model(connect, loaded):
    texts = ["größe 𝄞\0", b"\xff\xfe half \xf0\x9d", ""]
    raw = [texts[0].encode(), *texts[1:]]
    drawn = sampling([5, 6, 7], [20] * 3)  # one seed is that of the first row
    wanted = ask(loaded, "generate_text", text=np.array(raw, object), **drawn)
    found = connect().generate_text(texts, max_new_tokens=20, seed=5, **SAMPLING)
    assert found.pop("text") == [text.decode() for text in wanted.pop("text")]
    assert_same(found, wanted)


def test_one_text_is_a_batch_of_one(connect):
    client = connect()
    assert client.generate_text("a", max_new_tokens=5) == client.generate_text(
        ["a"], max_new_tokens=[5]
    )


def test_seeds_count_up_and_around(connect):
    client = connect()
    several = client.generate_text(["a"] * 3, max_new_tokens=8, seed=2**31 - 2)["text"]
    seeds = [2**31 - 2, 2**31 - 1, -(2**31)]
    assert several == [
        client.generate_text("a", max_new_tokens=8, seed=s)["text"][0] for s in seeds
    ]
    assert len(set(several)) == 3


def test_status_and_metadata(connect):
    client = connect(version=3)
    assert client.status() == [{"version": 3, "state": "AVAILABLE", "error": ""}]
    assert [item["version"] for item in connect().status()] == [3, 5]
    metadata = client.metadata()
    assert metadata["version"] == 3 and connect().metadata()["version"] == 5
    signatures = metadata["signatures"]
    assert sorted(signatures) == ["generate", "generate_text", "score", "serving_default"]
    assert signatures["score"] == {
        "inputs": {
            "token_ids": {"dtype": "int32", "shape": [None, None]},
            "lengths": {"dtype": "int32", "shape": [None]},
        },
        "outputs": {"log_probs": {"dtype": "float32", "shape": [None, None]}},
    }
    assert signatures["generate_text"]["inputs"]["text"] == {"dtype": "string", "shape": [None]}


@pytest.mark.parametrize("asked", [{}, {"version": 3}, {"version": 5}, {"label": "stable"}])
def test_versions_and_labels_answer(connect, asked):
    assert connect(**asked).score(ROWS)["log_probs"].shape == (3, 5)


UNKNOWN = [
    ({"model": "other/ö"}, "unknown_model", "other/ö"),
    ({"version": 9}, "unknown_version", "9"),
    ({"label": "canary"}, "unknown_version", "canary"),
]


@pytest.mark.parametrize(("asked", "kind", "named"), UNKNOWN)
@pytest.mark.parametrize("call", ["score", "metadata", "status"])
def test_what_the_server_does_not_have(connect, server, asked, kind, named, call):
    client = connect(**asked)
    with pytest.raises(ServingError) as error:
        client.score(ROWS) if call == "score" else getattr(client, call)()
    assert error.value.kind == kind
    assert named in error.value.what and client.endpoint in str(error.value)
    assert server.faults.take_count() <= 1  # it is not tried again


def test_a_signature_that_the_model_does_not_have(connect, monkeypatch):
    monkeypatch.setattr("savedmodels.serving_client.client.reading.OUTPUTS", {"score": {"x": "f"}})
    client = connect()
    with pytest.raises(ServingError) as error:
        client._retries.call(lambda s: client._transport.predict("other", {}, {"x": "f"}, s), 9)
    assert error.value.kind == "unknown_signature"
    assert '"other" not found' in str(error.value)


def text(**changed):
    return lambda client: client.generate_text(**{"text": ["a", "b"], **changed})


def tokens(**changed):
    arguments = {"token_ids": ROWS, "max_new_tokens": 4, **changed}
    return lambda client: client.generate(**arguments)


# What is asked, the field that is named, and what is said of it.
CAUGHT_HERE = [
    (lambda client: client.score([]), "token_ids", "at least one row"),
    (lambda client: client.score([[2.0, 5.0]]), "token_ids", "must hold integers, got float64"),
    (lambda client: client.score([["a"]]), "token_ids", "must hold integers"),
    (lambda client: client.score([[True]]), "token_ids", "must hold integers, got bool"),
    (lambda client: client.score([2, 5]), "token_ids", "(B, M)"),
    (lambda client: client.score(7), "token_ids", "(B, M), got int"),
    (lambda client: client.score(np.zeros((2, 2, 2), int)), "token_ids", "shape (2, 2, 2)"),
    (lambda client: client.score([[2**31]]), "token_ids", f"must fit 32 bits, got {2**31}"),
    (lambda client: client.score([[2]], [1, 1]), "lengths", "one for each of the 1 rows"),
    (lambda client: client.score([[2]], [1.0]), "lengths", "must hold integers"),
    (tokens(max_new_tokens=1.5), "max_new_tokens", "must hold integers, got float64"),
    (tokens(seed=2**31), "seed", "must fit 32 bits"),
    (tokens(seed=[[1], [2], [3]]), "seed", "got shape (3, 1)"),
    (tokens(temperature="warm"), "temperature", "must hold numbers, got str 'warm'"),
    (tokens(top_p=[0.5, 0.5]), "top_p", "one for each of the 3 rows, got shape (2,)"),
    (text(text=[]), "text", "at least one row"),
    (text(text=7), "text", "row 0 is 7"),
    (text(text=["a", None]), "text", "row 1 is None"),
    (text(text="\ud800"), "text", "half a surrogate pair, '\\ud800'"),
    (text(text="a", max_new_tokens=[1, 2]), "max_new_tokens", "each of the 1 rows"),
    (lambda client: client.generate_text_stream(["a"]), "text", "one str or bytes"),
    (
        lambda client: client.generate_text_stream("a", tokens_at_a_time=0),
        "tokens_at_a_time",
        "at least 1",
    ),
    (lambda client: client.generate_text_stream("a", num_latents=0), "num_latents", "at least 1"),
    (lambda client: client.generate_text_stream("a", seed=[1, 2]), "seed", "each of the 1 rows"),
]


@pytest.mark.parametrize(("call", "field", "said"), CAUGHT_HERE)
def test_types_and_shapes_are_refused_before_anything_is_sent(connect, server, call, field, said):
    with pytest.raises(ServingError) as error:
        call(connect())
    assert error.value.kind == "bad_input" and error.value.field == field
    assert said in error.value.what and error.value.what.startswith(field)
    assert server.faults.take_count() == 0


REFUSED = [
    (lambda client: client.score([[2, 259]]), "token_ids", "token_ids must lie in 0 … 258"),
    (lambda client: client.score([[2, -1]]), "token_ids", "token_ids must lie in 0 … 258"),
    (lambda client: client.score([[2, 5]], [3]), "lengths", "lengths must lie between 1 and"),
    (lambda client: client.score([[2], []]), "lengths", "lengths must lie between 1 and"),
    (lambda client: client.score(np.full((1, 41), 5)), "token_ids", "wider than the context of 40"),
    (tokens(max_new_tokens=-1), "max_new_tokens", "max_new_tokens must not be negative"),
    (tokens(max_new_tokens=2**31 - 1), "lengths", "must not exceed the context + 1, which is 41"),
    (tokens(temperature=-1), "temperature", "temperature must be a finite number"),
    (tokens(temperature=float("nan")), "temperature", "temperature must be a finite number"),
    (tokens(temperature=float("inf")), "temperature", "temperature must be a finite number"),
    (tokens(top_p=1.5), "top_p", "top_p must lie in 0 … 1"),
    (tokens(top_p=[0.5, -0.1, float("nan")]), "top_p", "top_p must lie in 0 … 1"),
    (text(text="x" * 40), "text", "the bytes of text must be fewer than the context"),
    (text(max_new_tokens=40), "text", "not exceed it, which is 40"),
]


@pytest.mark.parametrize(("call", "field", "said"), REFUSED)
def test_the_server_refuses_by_name_and_is_not_asked_again(connect, server, call, field, said):
    client = connect()
    with pytest.raises(ServingError) as error:
        call(client)
    assert error.value.kind == "refused" and error.value.field == field
    assert said in str(error.value) and client.endpoint in str(error.value)
    assert "\n" not in str(error.value) and "node" not in str(error.value)
    assert server.faults.take_count() == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "localhost:x"}, "target must be HOST:PORT"),
        ({"target": "ftp://localhost:1"}, "target must be HOST:PORT"),
        ({"target": "localhost:70000"}, "target must be HOST:PORT"),
        ({"target": "grpc://localhost:8500/path"}, "target must be HOST:PORT"),
        ({"target": None}, "target must be HOST:PORT"),
        ({"model": ""}, "model must be a name"),
        ({"model": None}, "model must be a name"),
        ({"label": ""}, "label must be a name"),
        ({"version": "1"}, "version must be an integer ≥ 0 and ≤ .*, got '1'"),
        ({"version": -1}, "version must be an integer ≥ 0 and ≤ .*, got -1"),
        ({"max_message_bytes": 0}, "max_message_bytes must be an integer ≥ 1"),
        ({"max_message_bytes": 2**31}, "max_message_bytes must be an integer ≥ 1"),
        ({"headers": {"X": 1}}, "the header X must be printable ASCII"),
        ({"headers": {"": "x"}}, "the name of a header must be"),
        ({"version": 1, "label": "x"}, "version and label cannot both be given"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"attempt_timeout": -1}, "attempt_timeout must be a number of seconds above 0"),
        ({"ca_file": "x.pem"}, "ca_file needs a target of https:// or grpcs://"),
    ],
)
def test_arguments_that_make_no_sense(options, said):
    arguments = {"target": "localhost:8500", "model": "books", **options}
    with pytest.raises(ValueError, match=said):
        Client(**arguments)


def test_it_works_without_keras_and_the_other_packages(target, tmp_path):
    code = f"""
import sys
for name in ("keras", "tf_keras", "keras_perceiver_ar", "pipelines", "gin"):
    sys.modules[name] = None  # every import of it fails
from savedmodels.client import Client
heavy = [n for n in ("tensorflow", "grpc", "urllib3", "tensorflow_serving") if n in sys.modules]
assert not heavy, heavy
with Client({target!r}, "books") as client:
    print(client.score([[2, 5]])["log_probs"].shape)
if {target!r}.startswith("http"):
    assert "tensorflow" not in sys.modules and "grpc" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(runs.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "(1, 2)\n", done.stderr
