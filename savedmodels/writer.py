"""A model as a SavedModel: its signatures traced and written."""

import contextlib
import io
import sys
from typing import NamedTuple

import keras
import tensorflow as tf

from pipelines.command_line import user_errors
from pipelines.errors import UserError
from pipelines.slide_checks import check_slide
from savedmodels import registry_check, sampling_inputs, signatures, versions, warmup
from savedmodels import stepwise as stepwise_lib
from savedmodels.stored_weights import StoredWeights


class Endpoint(NamedTuple):
    """What a signature is made of."""

    function: object  # `tf.function`
    inputs: tuple  # of `tf.TensorSpec`


def write_version(
    model,
    directory,
    text,
    positions=None,
    masks=(),
    stepwise=False,
    message_limit=4.0,
    weights=None,
    sampling=(),
    slide=None,
    most_new_tokens=None,
):
    """Writes the next version of a model.

    Args:
        model: `PerceiverARCausalLM`.
        directory: str. Versions lie in it as `1`, `2`, …; TF Serving loads the highest.
        text: `ByteText`, `PieceText` or None. What the model's ids are of a text: makes
            `generate_text`.
        positions: int32 (E, P), those of the events of every document, or None, which is 1, 2, …
        masks: tuple of `keras_perceiver_ar.generation.LogitMask`. What `generate` may draw.
        stepwise: bool. Whether there are `prefill` and `decode`.
        message_limit: float. MiB that a message of these two may take.
        weights: str or None. Dtype that matrices are stored in, such as "bfloat16"; None leaves
            them as they are.

    Returns:
        str, the path of the version, and the names of its signatures.

    Raises:
        UserError: the directory cannot be written, TF Serving could not run what was written,
            messages would be too large, or an option that the model cannot have.
    """
    sampling = sampling_inputs.check_names(sampling)
    max_context = model.backbone.max_context
    most_new_tokens = _most_new_tokens(slide, most_new_tokens, max_context, positions)
    check_slide(slide, model.backbone)
    stored = None if weights is None else StoredWeights(model, weights)

    def trace(function, inputs):
        return _trace(stored.wrap(function) if stored else function, inputs)

    _tell("compiling")
    endpoints = {}
    if stepwise:  # first, as it may be refused
        endpoints |= _stepwise(model, positions, message_limit, trace)
    score = trace(signatures.make_score(model, positions), signatures.SCORE_INPUTS)
    generate = signatures.make_generate(model, positions, masks, sampling, slide, most_new_tokens)
    generate = trace(generate, signatures.generate_inputs(sampling))
    endpoints |= {"serving_default": score, "score": score, "generate": generate}
    if text is not None:
        generate_text = signatures.make_generate_text(
            generate.function, max_context, text, sampling, slide is not None
        )
        inputs = signatures.generate_text_inputs(sampling)
        endpoints["generate_text"] = _trace(generate_text, inputs)
    requests = warmup.make_requests(endpoints, max_context, most_new_tokens)
    archive = keras.export.ExportArchive()
    # The weights that signatures use are found; with the model tracked each would be held twice.
    if hasattr(text, "tokenizer"):
        archive.track(text.tokenizer)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function)

    def write(folder):
        _tell(f"writing a version in {directory}")
        with contextlib.redirect_stdout(io.StringIO()):  # Keras lists what it saves
            archive.write_out(folder, verbose=False)
        registry_check.check(folder, _tell)
        _tell(f"writing warm-up requests of {', '.join(endpoints)}")
        warmup.write(folder, requests)

    with user_errors(OSError, tf.errors.OpError):
        return versions.add(directory, write), tuple(endpoints)


def _tell(line):
    """Says what begins, for the person who waits for it."""
    print(line, file=sys.stderr, flush=True)


def _most_new_tokens(slide, most_new_tokens, max_context, positions):
    """The most that a request may ask for beyond the context; None where it cannot go there."""
    if slide is None:
        if most_new_tokens is not None:
            raise UserError("--max_new_tokens needs --slide: without it the context is the limit")
        return None
    if positions is not None:
        raise UserError("--slide is for text and music: an image ends where it is full")
    return max_context if most_new_tokens is None else most_new_tokens


def _stepwise(model, positions, message_limit, trace):
    """Endpoints of a client's own loop, if one row of it fits a message."""
    max_context = model.backbone.max_context
    prefill = trace(stepwise_lib.make_prefill(model, positions), signatures.SCORE_INPUTS)
    outputs = prefill.function.get_concrete_function(*prefill.inputs).structured_outputs
    inputs = stepwise_lib.decode_inputs(outputs)
    held, message = stepwise_lib.row_bytes(inputs, outputs, max_context)
    print(
        f"stepwise: one row at the full context of {max_context:,} keeps {held:,} bytes, and "
        f"travels in a message of {message:,}"
    )
    stepwise_lib.check_message(message, max_context, message_limit)
    decode = trace(stepwise_lib.make_decode(model, inputs, positions), inputs)
    return {"prefill": prefill, "decode": decode}


def _trace(function, inputs):
    """`Endpoint` whose function TensorFlow and Keras trace as often as they like.

    It calls the trace of the given one, and so does whoever calls it.
    """
    with user_errors(ValueError):
        traced = tf.function(function, autograph=False).get_concrete_function(*inputs)
    function = tf.function(lambda *arguments: traced(*arguments), autograph=False)
    function.get_concrete_function(*inputs)
    return Endpoint(function, inputs)
