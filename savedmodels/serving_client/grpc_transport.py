"""TensorFlow Serving over gRPC, with the stubs of tensorflow-serving-api."""

import contextlib
import math

import numpy as np

from savedmodels.serving_client.refusals import refusal
from savedmodels.serving_client.serving_error import ServingError

# A channel that could not connect fails calls at once for a while, up to two minutes by default.
# The waits between attempts are this client's own.
_RECONNECT_MS = 100


class GrpcTransport:
    """Calls of one model over one channel, which threads share.

    Args:
        address: `Address`.
        model: str.
        version: int or None.
        label: str or None.
        headers: dict of str, sent with every call.
        authorities: str or None. PEM of those that are trusted, for grpcs://.
        max_message_bytes: int. Of a request, and of an answer.
        options: pairs of gRPC's own channel arguments.

    Raises:
        ImportError: tensorflow-serving-api is not installed.
    """

    def __init__(
        self, address, model, version, label, headers, authorities, max_message_bytes, options=()
    ):
        import grpc
        from tensorflow_serving.apis import (
            model_pb2,
            model_service_pb2_grpc,
            prediction_service_pb2_grpc,
        )

        self._grpc, self.model = grpc, model
        self.endpoint = str(address)
        self._spec = model_pb2.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        if label is not None:
            self._spec.version_label = label
        self._metadata = [(name.lower(), value) for name, value in headers.items()]
        options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            # Not `min_`, which is the time that a connection may take to be made as well.
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
            ("grpc.max_reconnect_backoff_ms", 10 * _RECONNECT_MS),
            # Or gRPC would ask the proxy of the environment for this machine.
            ("grpc.enable_http_proxy", int(not address.is_local)),
            # Channels of one process to one server share a connection otherwise, and its backoff.
            ("grpc.use_local_subchannel_pool", 1),
            *options,
        ]
        place = f"{address.host}:{address.port}"
        if address.is_encrypted:
            roots = authorities and authorities.encode()
            credentials = grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = grpc.secure_channel(place, credentials, options)
        else:
            self._channel = grpc.insecure_channel(place, options)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, signature, inputs, outputs, timeout):
        """Calls a signature.

        Args:
            signature: str.
            inputs: dict of arrays; strings are lists of bytes.
            outputs: dict of the names that are wanted to their types, which are the caller's to
                check.
            timeout: float. Seconds.

        Returns:
            dict of arrays, of those that came; strings are lists of bytes.

        Raises:
            ServingError: it failed.
        """
        from tensorflow import make_tensor_proto
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest(model_spec=self._spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(make_tensor_proto(value))
        answer = self._call(self._predictions.Predict, request, timeout, signature, inputs)
        with self._reading(signature):
            return {
                name: _from_proto(answer.outputs[name])
                for name in outputs
                if name in answer.outputs
            }

    def metadata(self, timeout):
        """Version that answers, and its signatures: int, dict of `SignatureDef` by name."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        answer = self._call(self._predictions.GetModelMetadata, request, timeout)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._reading():
            if not answer.metadata["signature_def"].Unpack(signatures):
                raise ValueError("no signatures")
            return answer.model_spec.version.value, {
                name: {
                    side: {key: _describe(info) for key, info in getattr(definition, side).items()}
                    for side in ("inputs", "outputs")
                }
                for name, definition in signatures.signature_def.items()
                if not name.startswith("__")  # what TensorFlow itself runs when it loads a model
            }

    def status(self, timeout):
        """Versions and their states: list of (int, str, str), the last of which is an error."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec)
        answer = self._call(self._models.GetModelStatus, request, timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        with self._reading():
            return [
                (item.version, states.Name(item.state), item.status.error_message)
                for item in answer.model_version_status
            ]

    def close(self):
        """Closes the connection; calls under way are cancelled."""
        self._channel.close()

    def _call(self, method, request, timeout, signature=None, names=()):
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except self._grpc.RpcError as error:
            place = {"model": self.model, "endpoint": self.endpoint, "signature": signature}
            raise refusal(error.code().name, error.details() or "", names, **place) from error

    @contextlib.contextmanager
    def _reading(self, signature=None):
        """Whatever an answer holds instead of what it should is a `ServingError`."""
        from google.protobuf.message import DecodeError

        try:
            yield
        except (DecodeError, TypeError, ValueError) as error:
            what = f"the answer cannot be read ({error!r})"
            place = (self.model, self.endpoint, signature)
            raise ServingError("broken_answer", what, *place) from error


def _from_proto(proto):
    """`TensorProto` → array; strings → list of bytes.

    Raises:
        TypeError, ValueError: an unknown type, or a shape of other elements than came.
    """
    from tensorflow import make_ndarray

    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise ValueError("a tensor without a shape")
    # Before they are allocated: a single value may stand for all elements, however many.
    if math.prod(sizes) > proto.ByteSize():
        raise ValueError(f"{proto.ByteSize()} bytes for a tensor of the shape {sizes}")
    array = make_ndarray(proto)
    return array.tolist() if array.dtype == np.object_ else array


def _describe(info):
    """Type and shape of a `TensorInfo`."""
    from tensorflow import as_dtype

    shape = info.tensor_shape
    sizes = [None if dim.size < 0 else dim.size for dim in shape.dim]
    return {"dtype": as_dtype(info.dtype).name, "shape": None if shape.unknown_rank else sizes}
