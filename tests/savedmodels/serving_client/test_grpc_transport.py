"""What goes beside the messages; the rest is in tests/savedmodels/test_client*.py."""

import concurrent.futures

import grpc
import pytest
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from savedmodels.client import Client
from tests.savedmodels.clients import AT_ONCE, ROW, failure


class _Metadata(grpc.ServerInterceptor):
    """Keeps what came with the last call."""

    seen = None

    def intercept_service(self, continuation, details):
        self.seen = dict(details.invocation_metadata)
        return continuation(details)


def test_headers_go_with_every_request():
    interceptor = _Metadata()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(), interceptors=[interceptor])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    headers = {"Authorization": "Bearer abc", "X-Who": "night"}
    try:
        with Client(f"127.0.0.1:{port}", "books", headers=headers) as client:
            error = failure(lambda: client.score(ROW))
    finally:
        server.stop(0).wait()
    assert error.kind == "broken_answer"  # the server has no services
    assert {"authorization": "Bearer abc", "x-who": "night"}.items() <= interceptor.seen.items()


def odd_failure(answer, call):
    """How a call fails where the server has this answer, bytes, whatever it is asked."""
    handler = grpc.unary_unary_rpc_method_handler(lambda *_: answer)
    services = {
        "PredictionService": {"Predict": handler, "GetModelMetadata": handler},
        "ModelService": {"GetModelStatus": handler},
    }
    server = grpc.server(concurrent.futures.ThreadPoolExecutor())
    for name, methods in services.items():
        name = f"tensorflow.serving.{name}"
        generic = grpc.method_handlers_generic_handler(name, methods)
        server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", "books", retries=AT_ONCE) as client:
            return failure(lambda: call(client))
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize(
    ("log_probs", "said"),
    [
        ({"dtype": 1, "shape": [1, 3], "tensor_content": b"abc"}, "cannot be read"),
        ({"dtype": 1, "shape": [1, 3], "tensor_content": bytes(16)}, "cannot be read"),
        ({"dtype": 7777, "shape": [1, 3], "tensor_content": bytes(12)}, "cannot be read"),
        ({"dtype": 1, "shape": [1, 2**40], "float_val": [1.0]}, "1099511627776"),
        ({"dtype": 1, "shape": [-1, 3], "float_val": [1.0] * 3}, "without a shape"),
        ({"dtype": 1, "shape": [2, 3], "float_val": [1.0] * 6}, "must have the shape (1, 3)"),
        ({"dtype": 3, "shape": [1, 3], "int_val": [1] * 3}, "must be float32, got int32"),
        ({"dtype": 7, "shape": [1], "string_val": [b"abc"]}, "must be float32, got list"),
        ({"dtype": 1, "float_val": [1.0]}, "must have the shape (1, 3)"),
        (None, "lacks ['log_probs']"),
    ],
)
def test_tensors_that_are_none(log_probs, said):
    answer = predict_pb2.PredictResponse()
    if log_probs is not None:
        shape = log_probs.pop("shape", ())
        tensor = tensor_pb2.TensorProto(**log_probs)
        for size in shape:
            tensor.tensor_shape.dim.add().size = size
        answer.outputs["log_probs"].CopyFrom(tensor)
    error = odd_failure(answer.SerializeToString(), lambda client: client.score(ROW))
    assert error.kind == "broken_answer" and said in str(error)


@pytest.mark.parametrize("call", [lambda client: client.score(ROW), Client.metadata, Client.status])
def test_an_answer_that_is_no_message(call):
    error = odd_failure(b"\xff", call)
    assert error.kind == "broken_answer" and "deserializing" in str(error)


@pytest.mark.parametrize("signatures", [{}, {"value": b"\xff\xff"}])
def test_metadata_that_are_none(signatures):
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    if signatures:
        of = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        answer.metadata["signature_def"].type_url = of
        answer.metadata["signature_def"].value = signatures["value"]
    assert odd_failure(answer.SerializeToString(), Client.metadata).kind == "broken_answer"


def test_a_type_in_metadata_that_is_none():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    signatures.signature_def["score"].inputs["token_ids"].dtype = 7777
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.metadata["signature_def"].Pack(signatures)
    assert odd_failure(answer.SerializeToString(), Client.metadata).kind == "broken_answer"


def test_a_state_that_is_none():
    answer = get_model_status_pb2.GetModelStatusResponse()
    answer.model_version_status.add().version = 1
    # Its own classes set no state that there is not.
    answer = answer.SerializeToString().replace(b"\x08\x01", b"\x08\x01\x10\x63")
    answer = bytes([answer[0], answer[1] + 2]) + answer[2:]
    assert odd_failure(answer, Client.status).kind == "broken_answer"
