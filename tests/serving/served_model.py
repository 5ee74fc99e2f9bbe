"""Versions of an exported model, asked for as TensorFlow Serving is asked for them.

The refusals have the codes and words of its sources (`servables/tensorflow/predict_util.cc`,
`core/basic_manager.cc`, `model_servers/server_core.cc`).
"""

import re

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.serving.refusal import Refusal

DEFAULT_SIGNATURE = "serving_default"


class ServedModel:
    """A model under a name.

    Args:
        name: str.
        versions: dict of int to the path of an exported version.
        labels: dict of str to int.
    """

    def __init__(self, name, versions, labels=None):
        self.name, self.labels = name, labels or {}
        self.versions = {int(version): _Version(str(path)) for version, path in versions.items()}

    def find(self, name, version=None, label=None):
        """Number and `_Version` of what was asked for; the newest where nothing was.

        Raises:
            Refusal: there is none.
        """
        if label:
            if name != self.name or label not in self.labels:
                raise Refusal("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
            version = self.labels[label]
        if name != self.name or (version is not None and version not in self.versions):
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refusal("NOT_FOUND", f"Servable not found for request: {asked}")
        version = max(self.versions) if version is None else version
        return version, self.versions[version]

    def status(self, name, version=None):
        """Numbers of the versions that are known.

        Raises:
            Refusal: there are none.
        """
        found = sorted(self.versions) if name == self.name else []
        if version is not None:
            if version not in found:
                message = f"Could not find version {version} of model {name}"
                raise Refusal("NOT_FOUND", message)
            return [version]
        if not found:
            raise Refusal("NOT_FOUND", f"Could not find any versions of model {name}")
        return found


class _Version:
    def __init__(self, path):
        self._loaded = tf.saved_model.load(path)
        saved = saved_model_pb2.SavedModel()
        with tf.io.gfile.GFile(f"{path}/saved_model.pb", "rb") as file:
            saved.ParseFromString(file.read())
        # With `__saved_model_init_op`, which metadata tell of too.
        self.signatures = dict(saved.meta_graphs[0].signature_def)

    def run(self, signature, inputs):
        """Outputs of a signature: dict of arrays.

        Args:
            signature: str.
            inputs: dict of tensors.

        Raises:
            Refusal: what the request lacks or holds too much, or what an op says.
        """
        signature = signature or DEFAULT_SIGNATURE
        if signature not in self._loaded.signatures:
            message = f'Serving signature key "{signature}" not found.'
            raise Refusal("FAILED_PRECONDITION", message)
        wanted = self.signatures[signature].inputs
        given, names = set(inputs), set(wanted)
        if len(given) != len(names):
            raise Refusal(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(given)}!={len(names)} "
                f"len({_set(given)}) != len({_set(names)}). Sent extra: {_set(given - names)}. "
                f"Missing but required: {_set(names - given)}.",
            )
        for number, name in enumerate(sorted(names)):
            if name not in inputs:
                feed = wanted[name].name
                raise Refusal(
                    "INVALID_ARGUMENT",
                    f"Signature input alias: {name}(feed name: {feed}) not found in request and "
                    f"no default value provided. Inputs expected to be in the request "
                    f"{_set(given)}, or default input alias set: ",
                )
            dtype = tf.as_dtype(wanted[name].dtype)
            if inputs[name].dtype != dtype:
                got = inputs[name].dtype
                message = f"Expects arg[{number}] to be {_cpp(dtype)} but {_cpp(got)} is provided"
                raise Refusal("INVALID_ARGUMENT", message)
        try:
            outputs = self._loaded.signatures[signature](**inputs)
        except tf.errors.OpError as error:
            raise Refusal(_code(error.error_code), _as_in_cpp(error.message)) from error
        return {name: value.numpy() for name, value in outputs.items()}


def _set(names):
    return "{" + ",".join(sorted(names)) + "}"


def _cpp(dtype):
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


def _code(number):
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


def _as_in_cpp(message):
    """Without what Python's TensorFlow writes around a message."""
    message = re.sub(r"(?s)^Graph execution error:.*?<stack traces unavailable>\n", "", message)
    return re.sub(r" \[Op:\w+\]$", "", message)
