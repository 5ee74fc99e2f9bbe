"""A model as a SavedModel: its signatures traced and written."""

import contextlib
import io
from typing import NamedTuple

import keras
import tensorflow as tf

from pipelines.command_line import user_errors
from savedmodels import registry_check, signatures, versions, warmup


class Endpoint(NamedTuple):
    """What a signature is made of."""

    function: object  # `tf.function`
    inputs: tuple  # of `tf.TensorSpec`


def write_version(model, directory, text, positions=None):
    """Writes the next version of a model.

    Args:
        model: `PerceiverARCausalLM`.
        directory: str. Versions lie in it as `1`, `2`, …; TF Serving loads the highest.
        text: `ByteText`, `PieceText` or None. What the model's ids are of a text: makes
            `generate_text`.
        positions: int32 (E, P), those of the events of every document, or None, which is 1, 2, …

    Returns:
        str, the path of the version, and the names of its signatures.

    Raises:
        UserError: the directory cannot be written, or TF Serving could not run what was written.
    """
    score = _trace(signatures.make_score(model, positions), signatures.SCORE_INPUTS)
    generate = _trace(signatures.make_generate(model, positions), signatures.GENERATE_INPUTS)
    endpoints = {"serving_default": score, "score": score, "generate": generate}
    if text is not None:
        context = model.backbone.max_context
        generate_text = signatures.make_generate_text(generate.function, context, text)
        endpoints["generate_text"] = _trace(generate_text, signatures.GENERATE_TEXT_INPUTS)
    requests = warmup.make_requests(endpoints, model.backbone.max_context)
    archive = keras.export.ExportArchive()
    archive.track(model)
    if hasattr(text, "tokenizer"):
        archive.track(text.tokenizer)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function)

    def write(folder):
        with contextlib.redirect_stdout(io.StringIO()):  # Keras lists what it saves
            archive.write_out(folder, verbose=False)
        registry_check.check(folder)
        warmup.write(folder, requests)

    with user_errors(OSError, tf.errors.OpError):
        return versions.add(directory, write), tuple(endpoints)


def _trace(function, inputs):
    """`Endpoint` whose function TensorFlow and Keras trace as often as they like.

    It calls the trace of the given one, and so does whoever calls it.
    """
    with user_errors(ValueError):
        traced = tf.function(function, autograph=False).get_concrete_function(*inputs)
    function = tf.function(lambda *arguments: traced(*arguments), autograph=False)
    function.get_concrete_function(*inputs)
    return Endpoint(function, inputs)
