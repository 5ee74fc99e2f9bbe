"""What the codes and messages of TensorFlow Serving mean.

The messages are those of its sources and of `savedmodels.signatures`.
"""

import re

from savedmodels.serving_client.serving_error import ServingError

_CODES = {
    "INVALID_ARGUMENT": "refused",
    "FAILED_PRECONDITION": "refused",
    "OUT_OF_RANGE": "refused",
    "DEADLINE_EXCEEDED": "timeout",
    "RESOURCE_EXHAUSTED": "overloaded",
    "UNAVAILABLE": "not_there",
    # A server that shuts down says so of what it had begun.
    "CANCELLED": "not_there",
    "UNAUTHENTICATED": "denied",
    "PERMISSION_DENIED": "denied",
    "UNIMPLEMENTED": "broken_answer",
    "NOT_FOUND": "broken_answer",
}
# Before the codes: several of these come under codes that mean something else elsewhere.
_MESSAGES = (
    (r"Servable not found for request: Specific|Could not find version \d", "unknown_version"),
    (r"Unrecognized servable version label", "unknown_version"),
    (r"Servable not found for request|Could not find any versions of model", "unknown_model"),
    (r'Serving signature (key|name:) ".*" not found', "unknown_signature"),
    (r"essage larger than max", "too_large"),
    (r"^Exception deserializing response", "broken_answer"),  # of gRPC in Python
    (r"http1\.x server|Expected SETTINGS frame|no HTTP/1\.1 came", "wrong_port"),
    (r"andshake failed|CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER|SSL_ERROR_SSL", "tls"),
)
_NOISE = re.compile(
    r"Graph execution error:|Detected at node .*|<stack traces unavailable>|"
    r"\[\[\{\{.*?\}\}.*?\]\]|\{\{.*?\}\}|\[Op:.*?\]|\(\d+\) [A-Za-z ]+:"
)
_WRONG_NAMES = re.compile(
    r"Sent extra: \{(?P<extra>.*?)\}\. Missing but required: \{(?P<required>.*?)\}|"
    r"Missing named input: (?P<missing>\w+)|Signature input alias: (?P<alias>\w+)"
)
_ASSERTION = re.compile(r"assertion failed: \[(?P<message>[^\]]*)\](?P<values>.*)", re.DOTALL)


def refusal(code, message, names=(), **place):
    """The error of a code and a message.

    Args:
        code: str. Name of a gRPC status.
        message: str, of the server or of the library that asked it.
        names: names of the inputs that were sent, one of which the message may name.
        place: model, endpoint and signature of `ServingError`.

    Returns:
        `ServingError`.
    """
    kind = next((kind for text, kind in _MESSAGES if re.search(text, message)), None)
    kind = kind or _CODES.get(code, "failed")
    what = clean(message) or "no reason was given"
    if kind not in ("refused", "too_large", "unknown_version"):
        what = f"{code} {what}"
    field = find_field(what, names) if kind == "refused" else None
    return ServingError(kind, what, field=field, **place)


def clean(message):
    """What an op of the model had to say, in one line, without nodes and stack traces."""
    text = " ".join(_NOISE.sub(" ", message).split())
    assertion = _ASSERTION.search(text)
    if assertion:
        text = f"{assertion['message']}, got{assertion['values'].rstrip()}"
    return text.rstrip(": ")


def find_field(message, names):
    """The name that a message blames, or else mentions first; or None."""
    wrong = _WRONG_NAMES.search(message)
    if wrong:
        # The groups are in another order than what weighs more.
        found = map(wrong.group, ("missing", "alias", "required", "extra"))
        return next(filter(None, found), "").partition(",")[0]
    places = {}
    for name in names:
        found = re.search(rf"\b{re.escape(name)}\b", message)
        if found:
            places[name] = found.start()
    return min(places, key=places.get, default=None)
