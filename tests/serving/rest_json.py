"""Tensors of JSON and JSON of tensors, after TensorFlow Serving's `util/json_tensor.cc`."""

import base64
import binascii
import json

import numpy as np
import tensorflow as tf

from tests.serving.refusal import Refusal


def read(body, find_inputs):
    """Signature, tensors by name, and whether they came in rows.

    Args:
        body: bytes.
        find_inputs: function of the name of a signature → dict of `TensorInfo` by name.

    Raises:
        Refusal: as TensorFlow Serving says it.
    """
    try:
        # Invalid UTF-8 passes there too, byte for byte.
        request = json.loads(body.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise _invalid(f"JSON Value: {json.dumps(request)} Is not object")
    signature = request.get("signature_name", "")
    if not isinstance(signature, str):
        raise _invalid("'signature_name' key must be a string value.")
    wanted = find_inputs(signature)
    if ("instances" in request) == ("inputs" in request):
        if "inputs" in request:
            raise _invalid(
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to "
                "exist "
            )
        raise _invalid("Missing 'inputs' or 'instances' key")
    if "inputs" in request:
        return signature, _read_columns(request["inputs"], wanted), False
    return signature, _read_rows(request["instances"], wanted), True


def _read_columns(columns, wanted):
    if not isinstance(columns, dict):
        raise _invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    tensors = {}
    for name, info in sorted(wanted.items()):
        if name not in columns:
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        tensors[name] = _tensor(columns[name], info)
    return tensors


def _read_rows(rows, wanted):
    if not isinstance(rows, list):
        raise _invalid("Excepting 'instances' to be an list/array")
    if not rows:
        raise _invalid("No values in 'instances' array")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _invalid(
                "instances is a plain list, but expecting list of objects as multiple input "
                "tensors required as per tensorinfo_map"
            )
        if set(row) != set(wanted):
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{json.dumps(row)} keys must be equal to: {','.join(sorted(wanted))}"
            )
    return {name: _tensor([row[name] for row in rows], info) for name, info in wanted.items()}


def _tensor(value, info):
    dtype = tf.as_dtype(info.dtype)
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    flat = []

    def fill(value, level):
        if isinstance(value, list):
            if level >= len(shape):
                raise _invalid(
                    f"Encountered list at unexpected level: {level} expected < {len(shape)}"
                )
            if len(value) != shape[level]:
                raise _invalid(
                    f"Encountered list at unexpected size: {len(value)} at level: {level} "
                    f"expected size: {shape[level]}"
                )
            for item in value:
                fill(item, level + 1)
        elif level != len(shape):
            raise _invalid(
                f"JSON Value: {json.dumps(value)} found at incorrect level: {level + 1} in the "
                f"JSON DOM. Expected at level: {len(shape)}"
            )
        else:
            flat.append(_scalar(value, dtype))

    fill(value, 0)
    array = np.array(flat, object if dtype == tf.string else dtype.as_numpy_dtype)
    return tf.constant(array.reshape(shape), dtype)


def _scalar(value, dtype):
    if dtype == tf.string:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except binascii.Error as error:
                raise _invalid("Unable to base64 decode") from error
    elif not isinstance(value, bool):
        if dtype == tf.float32 and isinstance(value, int | float):
            return value
        if dtype == tf.int32 and isinstance(value, int) and -(2**31) <= value < 2**31:
            return value
    raise _invalid(
        f"JSON Value: {json.dumps(value)} Type: {_type(value)} is not of expected type: "
        f"{dtype.name.replace('float32', 'float')}"
    )


def _type(value):
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return "Object"
    return "Null" if value is None else "String" if isinstance(value, str) else "Number"


def write(outputs, rows):
    """Body of an answer, in the format in which it was asked for."""
    columns = {name: _values(name, value) for name, value in outputs.items()}
    if len(columns) == 1:
        (answer,) = columns.values()
    elif rows:
        answer = [dict(zip(columns, row)) for row in zip(*columns.values())]
    else:
        answer = columns
    return json.dumps({"predictions" if rows else "outputs": answer}).encode()


def _values(name, value):
    if value.dtype == object:
        if name.endswith("_bytes"):
            return [{"b64": base64.b64encode(text).decode()} for text in value]
        return [text.decode("utf-8", "replace") for text in value]
    if value.dtype == np.float32:
        # Six digits where they are enough, all nine of a float where they are not.
        return _floats(value.tolist())
    return value.tolist()


def _floats(value):
    if isinstance(value, list):
        return [_floats(item) for item in value]
    short = float(f"{value:.6g}")
    return short if np.float32(short) == np.float32(value) else float(f"{value:.9g}")


def _invalid(message):
    return Refusal("INVALID_ARGUMENT", message)
