"""The stand-in's gRPC services, on the stubs of tensorflow-serving-api."""

import functools

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.faults import Reset
from tests.serving.refusal import Refusal

MESSAGE_LIMIT = 1024  # characters of a message, `grpc_status_util.cc`


def _answers(method):
    """Refusals become statuses."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request)
        except Reset:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
        except Refusal as error:
            message = error.message.encode()
            if len(message) > MESSAGE_LIMIT:
                message = message[:MESSAGE_LIMIT] + b"...TRUNCATED"
            # In the middle of a character too, as there.
            context.abort(grpc.StatusCode[error.code], message.decode("utf-8", "replace"))

    return answer


def _asked(spec):
    version = spec.version.value if spec.HasField("version") else None
    return spec.name, version, spec.version_label


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata.

    Args:
        model: `ServedModel`.
        faults: `Faults`.
    """

    def __init__(self, model, faults):
        self._model, self._faults = model, faults

    @_answers
    def Predict(self, request):
        self._faults.meet()
        version, found = self._model.find(*_asked(request.model_spec))
        signature = request.model_spec.signature_name
        outputs = self._faults.answers.get(signature)
        if outputs is None:
            inputs = {}
            for name, proto in request.inputs.items():
                try:
                    inputs[name] = tf.constant(tf.make_ndarray(proto))
                except (TypeError, ValueError) as error:
                    message = f"tensor parsing error: {name}"
                    raise Refusal("INVALID_ARGUMENT", message) from error
            outputs = found.run(signature, inputs)
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.signature_name = signature
        answer.model_spec.version.value = version
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer

    @_answers
    def GetModelMetadata(self, request):
        version, found = self._model.find(*_asked(request.model_spec))
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in found.signatures.items():
            signatures.signature_def[name].CopyFrom(definition)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.version.value = version
        answer.metadata["signature_def"].Pack(signatures)
        return answer


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus.

    Args:
        model: `ServedModel`.
    """

    def __init__(self, model):
        self._model = model

    @_answers
    def GetModelStatus(self, request):
        return status(self._model, *_asked(request.model_spec))


def status(model, name, version, label):
    """`GetModelStatusResponse` of a model."""
    if label:
        version, _ = model.find(name, version, label)
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number in model.status(name, version):
        answer.model_version_status.add(
            version=number, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        ).status.error_code = 0
    return answer
