"""TensorFlow Serving over REST, with urllib3.

urllib3 and not requests: its pool is meant to be shared by threads, it hands over what has come of
an answer, so that none that is too large is held, and no ~/.netrc takes a header's place.
"""

import base64
import contextlib
import json
import re
import urllib.parse
import urllib.request

import urllib3

from savedmodels.serving_client.answers import from_json
from savedmodels.serving_client.refusals import refusal
from savedmodels.serving_client.serving_error import ServingError
from savedmodels.serving_client.timed_responses import set_deadlines

# Of gRPC, for the statuses that TensorFlow Serving and what stands before it answer with.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    407: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CONNECTIONS = 32  # kept open; more threads than this open more for a while
_PIECE = 2**16
# What is raised by JSON of another kind than is expected.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class RestTransport:
    """Calls of one model over a pool of connections, which threads share.

    Args:
        address: `Address`.
        model: str.
        version: int or None.
        label: str or None.
        headers: dict of str, sent with every call.
        authorities: str or None. PEM of those that are trusted, for https://.
        max_message_bytes: int. Of a request, and of an answer.
    """

    def __init__(self, address, model, version, label, headers, authorities, max_message_bytes):
        self.model, self._most = model, max_message_bytes
        self._headers = {"Content-Type": "application/json", **headers}
        self.endpoint = f"{address}/v1/models/{urllib.parse.quote(model, safe='')}"
        if version is not None:
            self.endpoint += f"/versions/{version}"
        if label is not None:
            self.endpoint += f"/labels/{urllib.parse.quote(label, safe='')}"
        options = {"maxsize": _CONNECTIONS, "retries": False}
        if address.is_encrypted:
            options["ssl_context"] = context = urllib3.util.create_urllib3_context()
            context.load_default_certs()
            if authorities is not None:
                context.load_verify_locations(cadata=authorities)
        proxy = None
        if not (address.is_local or urllib.request.proxy_bypass(address.host)):
            proxy = urllib.request.getproxies().get(address.scheme)
        if proxy is None:
            self._pool = urllib3.PoolManager(**options)
        else:
            auth = urllib3.util.parse_url(proxy).auth
            headers = urllib3.make_headers(proxy_basic_auth=auth) if auth else None
            self._pool = urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
        set_deadlines(self._pool)

    def predict(self, signature, inputs, outputs, timeout):
        """Calls a signature, in the format of columns.

        Args and Returns: as for `GrpcTransport.predict`; floats come with all their digits.

        Raises:
            ServingError: it failed.
        """
        # NaN and Infinity are none of JSON's, but TensorFlow Serving reads and writes them.
        request = {
            "signature_name": signature,
            "inputs": {name: _to_json(value) for name, value in inputs.items()},
        }
        body = json.dumps(request).encode()
        if len(body) > self._most:
            what = f"Sent message larger than max ({len(body)} vs. {self._most})"
            raise ServingError("too_large", what, self.model, self.endpoint, signature)
        answer = self._call("POST", ":predict", timeout, signature, body, inputs)
        try:
            found = answer["outputs"]
            if not isinstance(found, dict):  # a single one comes without its name
                (name,) = outputs
                found = {name: found}
            return {
                name: from_json(found[name], dtype)
                for name, dtype in outputs.items()
                if name in found
            }
        except _UNREADABLE as error:
            raise self._broken(f"the answer cannot be read ({error!r})", signature) from error

    def metadata(self, timeout):
        """As for `GrpcTransport.metadata`."""
        answer = self._call("GET", "/metadata", timeout)
        try:
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            return _integer(answer["model_spec"]["version"]), {
                name: {
                    side: {key: _describe(info) for key, info in definition[side].items()}
                    for side in ("inputs", "outputs")
                }
                for name, definition in signatures.items()
                if not name.startswith("__")  # what TensorFlow itself runs when it loads a model
            }
        except _UNREADABLE as error:
            raise self._broken(f"the answer cannot be read ({error!r})") from error

    def status(self, timeout):
        """As for `GrpcTransport.status`."""
        answer = self._call("GET", "", timeout)
        try:
            return [
                (
                    _integer(item["version"]),
                    _string(item["state"]),
                    _string(item["status"]["error_message"]),
                )
                for item in answer["model_version_status"]
            ]
        except _UNREADABLE as error:
            raise self._broken(f"the answer cannot be read ({error!r})") from error

    def close(self):
        """Closes the connections that nobody uses."""
        self._pool.clear()

    def _call(self, method, path, timeout, signature=None, body=None, names=()):
        place = {"model": self.model, "endpoint": self.endpoint, "signature": signature}
        try:
            status, data = self._exchange(method, self.endpoint + path, body, timeout)
        except urllib3.exceptions.HTTPError as error:
            code, message = _failure(error, timeout)
            raise refusal(code, message, names, **place) from error
        if status != 200:
            code = _CODES.get(status, "INTERNAL")
            raise refusal(code, _error_message(data, status), names, **place)
        if data is None:
            what = f"Received message larger than max ({self._most})"
            raise ServingError("too_large", what, **place)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._broken(f"no JSON came but {data[:80]!r}", signature) from error

    def _exchange(self, method, url, body, timeout):
        """Status and body of an answer; None is a body that is too large.

        The time-out holds for all of it together, also for what comes byte by byte.
        """
        response = self._pool.request(
            method,
            url,
            body=body,
            headers=self._headers,
            timeout=urllib3.Timeout(total=timeout),
            redirect=False,
            preload_content=False,
        )
        try:
            data = bytearray()
            # As it comes: `read` would hold the whole of a body that is too large.
            while piece := response.read1(_PIECE, decode_content=True):
                data += piece
                if len(data) > self._most:
                    response.close()
                    return response.status, None
            return response.status, bytes(data)
        finally:
            response.release_conn()

    def _broken(self, what, signature=None):
        return ServingError("broken_answer", what, self.model, self.endpoint, signature)


def _failure(error, timeout):
    """Code and message of what urllib3 could not do."""
    kinds = urllib3.exceptions
    if isinstance(error, kinds.ProxyError):
        return "UNAVAILABLE", f"the proxy of the environment: {error}"
    if isinstance(error, kinds.SSLError):
        return "UNAVAILABLE", f"TLS handshake failed: {error}"
    if isinstance(error, kinds.TimeoutError) and not isinstance(error, kinds.NewConnectionError):
        return "DEADLINE_EXCEEDED", f"no whole answer came within {timeout:.3g} s"
    if "BadStatusLine" in repr(error):
        return "UNAVAILABLE", "no HTTP/1.1 came"
    return "UNAVAILABLE", str(error)


def _error_message(data, status):
    """What an answer that is an error says: bytes or None, int → str."""
    text = (data or b"").decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"])
    except (*_UNREADABLE, RecursionError):
        pass
    # Older servers wrote C's escapes, octal ones of UTF-8 too, which JSON has not.
    old = re.fullmatch(r'\s*\{\s*"error":\s*"(.*)"\s*\}\s*', text, re.DOTALL)
    if old and old[1].isascii():
        with contextlib.suppress(UnicodeError):  # half an escape, or one that is no byte
            read = old[1].encode().decode("unicode_escape").encode("latin-1")
            return read.decode("utf-8", "replace")
    return f"HTTP status {status}: {' '.join(text.split())[:200]}"


def _to_json(value):
    if isinstance(value, list):  # of bytes, which need not be UTF-8
        return [{"b64": base64.b64encode(text).decode()} for text in value]
    return value.tolist()


def _integer(value):
    """int64s are strings in protobuf's JSON. Through str, or a fraction would be cut off."""
    return int(str(value))


def _string(value):
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a string should be")
    return value


def _describe(info):
    """Type and shape of a `TensorInfo`."""
    shape = info["tensor_shape"]
    sizes = [_integer(dim["size"]) for dim in shape.get("dim", ())]
    sizes = [None if size < 0 else size for size in sizes]
    unknown = shape.get("unknown_rank", False)
    dtype = info["dtype"].removeprefix("DT_").lower()
    dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
    return {"dtype": dtype, "shape": None if unknown else sizes}
