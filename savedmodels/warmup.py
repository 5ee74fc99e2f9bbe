"""Requests that TF Serving answers before it lets a version be seen.

The first call of a signature makes its plans and its threads, and takes many times as long as the
second. TF Serving plays `assets.extra/tf_serving_warmup_requests` against each version that it
loads, so no client waits for that. It does not load a version where one of them fails.

B batch, M inputs.
"""

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED, SOS
from pipelines.command_line import user_errors

FILE = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS = 1000  # TF Serving refuses a file of more
# What clients send: one row, and a few at once; a short prompt. One row comes in full length too,
# for the memory that it takes, and one that slides where rows may.
_BATCHES = (1, 4)
_PROMPT = 16
_NEW_TOKENS = 4  # a loop is made ready by its first turns
_TEXT = b"The "
_SETTINGS = {
    "seed": 0,
    "temperature": 1.0,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "typical_p": 0.95,
    "repetition_penalty": 1.1,
}


def make_requests(endpoints, max_context, most_new_tokens=None):
    """Requests for every signature.

    Args:
        endpoints: dict of `writer.Endpoint`, by signature.
        max_context: int. M of the widest.
        most_new_tokens: int or None. The most that a request may ask for where it may go beyond the
            context; None where it may not.

    Returns:
        list of pairs: name of a signature, dict of its inputs as arrays, each (B, …).
    """
    room = max(max_context - _NEW_TOKENS, 1)
    shapes = dict.fromkeys([*((batch, min(_PROMPT, room)) for batch in _BATCHES), (1, room)])
    requests = []
    for name, endpoint in endpoints.items():
        generates = any(spec.name == "max_new_tokens" for spec in endpoint.inputs)
        past = [(1, max_context)] if generates and most_new_tokens else []
        for batch, width in [*shapes, *past]:
            if name == "decode":
                inputs = _state(endpoints["prefill"], batch, width, endpoint.inputs)
            else:
                most = most_new_tokens or max_context + 1 - width
                inputs = _inputs(endpoint.inputs, batch, width, most)
            requests.append((name, inputs))
    return requests


def write(folder, requests):
    """Writes requests where TF Serving looks for them.

    Args:
        folder: str. Of a SavedModel.
        requests: as of `make_requests`.

    Raises:
        UserError: tensorflow-serving-api, which has the messages, is not installed.
    """
    with user_errors(ImportError, hint=": pip install -e '.[serve]'"):
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = tf.io.gfile.join(folder, FILE)
    tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
    with tf.io.TFRecordWriter(path) as file:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            file.write(record.SerializeToString())


def _state(prefill, batch, width, specs):
    """Inputs of `decode`: what `prefill` gives for rows of one event, and a token for each."""
    token_ids = np.full((batch, max(width, 2)), SOS, np.int32)
    state = prefill.function(tf.constant(token_ids), tf.ones(batch, tf.int32))
    state = {**state, "token_ids": np.full(batch, NUM_RESERVED, np.int32)}
    return {spec.name: np.asarray(state[spec.name]) for spec in specs}


def _inputs(specs, batch, width, most_new_tokens):
    """Inputs of a signature: what a name stands for is the same in all of them."""
    values = {}
    for spec in specs:
        name, dtype = spec.name, spec.dtype.as_numpy_dtype
        if name == "token_ids":
            values[name] = np.full((batch, width), NUM_RESERVED, dtype)
            values[name][:, 0] = SOS
        elif name == "lengths":
            values[name] = np.full(batch, width, dtype)
        elif name == "text":  # with as many tokens as it has bytes, at most, and SOS
            values[name] = np.full(batch, (_TEXT * width)[: max(width - 2, 0)], object)
        elif name == "max_new_tokens":
            values[name] = np.full(batch, min(_NEW_TOKENS, most_new_tokens), dtype)
        else:
            values[name] = np.full(batch, _SETTINGS[name], dtype)
    return values
