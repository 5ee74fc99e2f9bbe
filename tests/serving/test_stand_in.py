"""The stand-in speaks as the sources of TensorFlow Serving do, where the client does not ask."""

import base64
import json
import math

import grpc
import pytest
import tensorflow as tf
import urllib3
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving.stand_in import StandIn

HTTP = urllib3.PoolManager(retries=False)
SAMPLING = {"max_new_tokens": 4, "seed": 1, "temperature": 1.0, "top_p": 0.9}


@pytest.fixture(scope="module")
def server(text_version):
    with StandIn("books", {1: text_version}) as server:
        yield server


def ask(server, body, path="/v1/models/books:predict", method="POST"):
    """Status and answer of the REST API."""
    url = f"http://localhost:{server.rest_port}{path}"
    data = None if method == "GET" else body if isinstance(body, bytes) else json.dumps(body)
    response = HTTP.request(method, url, body=data)
    return response.status, json.loads(response.data)


def test_rows_are_answered_in_rows(server):
    rows = [{"token_ids": [2, 5, 7], "lengths": 3}, {"token_ids": [2, 6, 0], "lengths": 2}]
    status, answer = ask(server, {"instances": rows})
    assert status == 200 and list(answer) == ["predictions"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    status, same = ask(server, {"inputs": columns, "signature_name": "score"})
    assert status == 200 and repr(same["outputs"]) == repr(answer["predictions"])  # NaN and all
    first, second = answer["predictions"]
    assert math.isnan(first[0]) and first[1] < 0 and math.isnan(second[2])


def test_several_outputs_come_by_name(server):
    row = {"text": "a", **SAMPLING}
    _, rows = ask(server, {"signature_name": "generate_text", "instances": [row, row]})
    assert sorted(rows["predictions"][0]) == ["lengths", "log_probs", "text"]
    columns = {name: [value] * 2 for name, value in row.items()}
    _, columns = ask(server, {"signature_name": "generate_text", "inputs": columns})
    assert [row["text"] for row in rows["predictions"]] == columns["outputs"]["text"]


def test_strings_may_be_base64(server):
    def text(value):
        inputs = {name: [value] for name, value in SAMPLING.items()} | {"text": [value]}
        _, answer = ask(server, {"signature_name": "generate_text", "inputs": inputs})
        return answer["outputs"]["text"]

    assert text("ö") == text({"b64": base64.b64encode("ö".encode()).decode()})


def test_rows_may_hold_nothing(server):
    sampling = {name: [value] * 2 for name, value in SAMPLING.items()}
    inputs = {"token_ids": [[], []], "lengths": [0, 0], **sampling}
    status, answer = ask(server, {"signature_name": "generate", "inputs": inputs})
    assert status == 200 and [row[0] for row in answer["outputs"]["token_ids"]] == [2, 2]
    status, answer = ask(server, {"inputs": {"token_ids": [[], []], "lengths": [0, 0]}})
    assert status == 400 and "lengths must lie between 1 and" in answer["error"]


INPUTS = {"token_ids": [[2, 5]], "lengths": [2]}


def test_columns_that_no_signature_has_are_passed_over(server):
    """Which is why the client looks at the metadata before it sends what a model may not take."""
    wanted = ask(server, {"inputs": INPUTS})
    assert wanted[0] == 200 and repr(ask(server, {"inputs": {**INPUTS, "top_k": [3]}})) == repr(
        wanted
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error"),
        ([1], "Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": INPUTS, "instances": []}, "expecting only one of"),
        ({"signature_name": 1, "inputs": INPUTS}, "must be a string value"),
        ({"signature_name": "x", "inputs": INPUTS}, 'name: "x" not found in signature def'),
        ({"inputs": [[2, 5]]}, "expecting an object as multiple input tensors required"),
        ({"instances": [[2, 5]]}, "expecting list of objects as multiple input tensors"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": 1}, "to be an list/array"),
        ({"instances": [{"token_ids": [2]}]}, "keys must be equal to: lengths,token_ids"),
        ({"inputs": {"token_ids": [[2]]}}, "Missing named input: lengths in 'inputs' object."),
        (
            {"inputs": INPUTS | {"lengths": [2.5]}},
            "2.5 Type: Number is not of expected type: int32",
        ),
        ({"inputs": INPUTS | {"lengths": ["a"]}}, 'JSON Value: "a" Type: String is not of'),
        ({"inputs": INPUTS | {"lengths": [True]}}, "Type: True is not of expected type"),
        ({"inputs": INPUTS | {"lengths": [None]}}, "Type: Null is not of expected type"),
        ({"inputs": INPUTS | {"lengths": [2**31]}}, "is not of expected type: int32"),
        ({"inputs": INPUTS | {"token_ids": [[2], [3, 4]]}}, "list at unexpected size: 2"),
        ({"inputs": INPUTS | {"token_ids": [[2], 3]}}, "found at incorrect level"),
        ({"inputs": INPUTS | {"token_ids": [2, [3]]}}, "list at unexpected level: 1"),
    ],
)
def test_bodies_that_are_refused(server, body, said):
    status, answer = ask(server, body)
    assert status == 400 and said in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/models/books:predict", 400, "Malformed request: GET"),
        ("POST", "/v1/models/books:count", 400, "Malformed request: POST"),
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", "/v1/models/books/versions/9", 404, "Could not find version 9 of model books"),
        ("GET", "/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/books/labels/x", 400, "Unrecognized servable version label: x"),
        ("POST", "/v1/models/books/versions/9:predict", 404, "Specific(books, 9)"),
    ],
)
def test_paths_that_are_refused(server, method, path, status, said):
    found, answer = ask(server, {"inputs": INPUTS}, path, method)
    assert found == status and said in answer["error"]


def test_status_is_as_protobuf_writes_it(server):
    _, answer = ask(server, None, "/v1/models/books", "GET")
    (version,) = answer["model_version_status"]
    assert version["version"] == "1" and version["state"] == "AVAILABLE"
    assert version["status"]["error_code"] == "OK"


def test_metadata_tell_of_what_runs_at_the_start_too(server):
    _, answer = ask(server, None, "/v1/models/books/metadata", "GET")
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == [
        "__saved_model_init_op",
        "generate",
        "generate_text",
        "score",
        "serving_default",
    ]
    assert signatures["score"]["inputs"]["lengths"]["dtype"] == "DT_INT32"
    assert answer["model_spec"] == {"name": "books", "signature_name": "", "version": "1"}


@pytest.fixture(scope="module")
def predict(server):
    with grpc.insecure_channel(f"localhost:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def predict(signature, **inputs):
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = "books", signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            return stub.Predict(request)

        yield predict


def test_the_answer_names_the_version(predict):
    answer = predict("", token_ids=[[2, 5]], lengths=[2])
    assert answer.model_spec.version.value == 1
    assert tf.make_ndarray(answer.outputs["log_probs"]).shape == (1, 2)


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "said"),
    [
        ("x", {}, "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        (
            "score",
            {"token_ids": [[2]]},
            "INVALID_ARGUMENT",
            "1!=2 len({token_ids}) != len({lengths,token_ids}). Sent extra: {}. Missing but "
            "required: {lengths}.",
        ),
        (
            "score",
            {"token_ids": [[2]], "other": [1]},
            "INVALID_ARGUMENT",
            "Signature input alias: lengths(feed name: score_lengths:0)",
        ),
        (
            "score",
            {"token_ids": [[2.0]], "lengths": [1]},
            "INVALID_ARGUMENT",
            "to be int32 but float is provided",
        ),
        (
            "score",
            {"token_ids": [[2]], "lengths": [2]},
            "INVALID_ARGUMENT",
            "assertion failed: [lengths must lie between 1 and the width of token_ids] [2]",
        ),
    ],
)
def test_grpc_refuses(predict, signature, inputs, code, said):
    with pytest.raises(grpc.RpcError) as error:
        predict(signature, **inputs)
    assert error.value.code() == grpc.StatusCode[code]
    assert said in error.value.details()
