"""The stand-in's REST API, after TensorFlow Serving's `model_servers/http_rest_api_util.cc`."""

import http.server
import json
import re
import socket
import struct
import urllib.parse

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.serving import grpc_front, rest_json
from tests.serving.faults import Reset
from tests.serving.refusal import Refusal

_MODEL = r"(?i)/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICT = re.compile(_MODEL + r":predict")
_STATUS = re.compile(_MODEL + r"(/metadata)?")
STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class RestHandler(http.server.BaseHTTPRequestHandler):
    """One connection; `self.server` has a `model` and `faults`."""

    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(_PREDICT, lambda *asked: self._predict(body, *asked))

    def do_GET(self):
        self._answer(_STATUS, self._tell)

    def log_message(self, *_):
        pass

    def _answer(self, pattern, function):
        status = 200
        try:
            found = pattern.fullmatch(self.path)
            if found is None:
                message = f"Malformed request: {self.command} {self.path}"
                raise Refusal("INVALID_ARGUMENT", message)
            name, version, label, *rest = found.groups()
            if name is None:
                raise Refusal("INVALID_ARGUMENT", "Missing model name in request.")
            spec = (
                urllib.parse.unquote(name),
                int(version) if version else None,
                urllib.parse.unquote(label) if label else None,
            )
            body = function(spec, *rest)
        except Reset:
            # Closed with this it is cut, not ended.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        except Refusal as error:
            status = STATUSES.get(error.code, 500)
            body = json.dumps({"error": error.message}, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _predict(self, body, spec):
        faults = self.server.faults
        faults.meet()
        _, found = self.server.model.find(*spec)

        def find_inputs(signature):
            signature = signature or "serving_default"
            if signature not in found.signatures:
                message = f'Serving signature name: "{signature}" not found in signature def'
                raise Refusal("INVALID_ARGUMENT", message)
            return found.signatures[signature].inputs

        signature, tensors, rows = rest_json.read(body, find_inputs)
        outputs = faults.answers.get(signature)
        return rest_json.write(outputs or found.run(signature, tensors), rows)

    def _tell(self, spec, metadata):
        model = self.server.model
        options = {
            "preserving_proto_field_name": True,
            "always_print_fields_with_no_presence": True,
        }
        if not metadata:
            answer = grpc_front.status(model, *spec)
            return json_format.MessageToJson(answer, **options).encode()
        version, found = model.find(*spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in found.signatures.items():
            signatures.signature_def[name].CopyFrom(definition)
        answer = {
            "model_spec": {"name": spec[0], "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": json_format.MessageToDict(signatures, **options)},
        }
        return json.dumps(answer).encode()
