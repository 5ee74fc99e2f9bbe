"""What a served model answers to, as TensorFlow functions with named inputs and outputs.

Every input has the batch as its first dimension, sampling parameters too: TF Serving batches
nothing else. Every refusal names the input. B batch, M inputs, T prompt and continuation.
"""

import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.generation import decode
from savedmodels import sampling_inputs
from savedmodels.input_checks import check as _check
from savedmodels.input_checks import check_rows as _check_rows
from savedmodels.input_checks import check_tokens as _check_tokens
from savedmodels.input_checks import check_width as _check_width
from savedmodels.input_checks import place_from_start as _place

SCORE_INPUTS = (
    tf.TensorSpec((None, None), tf.int32, name="token_ids"),
    tf.TensorSpec((None,), tf.int32, name="lengths"),
)


def generate_inputs(sampling=()):
    """Inputs of `generate`: tuple of `tf.TensorSpec`.

    Args:
        sampling: tuple of names, of `sampling_inputs.check_names`.
    """
    return SCORE_INPUTS + sampling_inputs.specs(sampling)


def generate_text_inputs(sampling=()):
    """As `generate_inputs`, of `generate_text`."""
    return (tf.TensorSpec((None,), tf.string, name="text"), *sampling_inputs.specs(sampling))


def make_score(model, positions=None):
    """Function of `SCORE_INPUTS`: log-probability of each input given those before it.

    Args:
        model: `PerceiverARCausalLM`.
        positions: int32 (E, P), those of the events of every document, or None, which is 1, 2, …

    Returns:
        function → dict: `log_probs` float32 (B, M), NaN at the first input and on padding.
    """
    max_context = model.backbone.max_context

    def score(token_ids, lengths):
        with tf.control_dependencies(_check_rows(token_ids=token_ids, lengths=lengths)):
            checks = _check_tokens(model, token_ids, lengths)
        with tf.control_dependencies([*checks, _check_width(token_ids, max_context)]):
            token_ids = tf.identity(token_ids)
        inputs = {"token_ids": token_ids, "lengths": lengths}
        if positions is not None:
            inputs["positions"] = _place(positions, token_ids)
        return {"log_probs": model.score(inputs)}

    return score


def make_generate(model, positions=None, masks=(), sampling=(), slide=None, most_new_tokens=None):
    """Function of `generate_inputs`: continues each prompt until its limit or EOS.

    A row without a prompt begins with SOS. Without `slide` prompt and continuation may be one token
    longer than the context: nothing reads the last one.

    Args:
        model: `PerceiverARCausalLM`.
        positions: as for `make_score`.
        masks: tuple of `keras_perceiver_ar.generation.LogitMask`.
        sampling: as for `generate_inputs`.
        slide: as of `decode`: None, "half" or int. Oldest tokens that leave a full context.
        most_new_tokens: int or None. With `slide`, the most that a request may ask for.

    Returns:
        function → dict: `token_ids` int32 (B, T), prompt and continuation, then zeros; `lengths`
        int32 (B,); `log_probs` float32 (B, T), of what was generated, NaN elsewhere. T is what the
        longest row asks for.
    """
    max_context = model.backbone.max_context
    specs = generate_inputs(sampling)
    names = [spec.name for spec in specs]

    def generate(*tensors):
        given = dict(zip(names, tensors, strict=True))
        with tf.control_dependencies(_check_rows(**given)):
            checks = [
                *_check_tokens(model, given["token_ids"], given["lengths"], least=0),
                *sampling_inputs.checks(given),
                _check(
                    given["lengths"] <= max_context,
                    f"lengths must not exceed the context of {max_context}",
                    given["lengths"],
                ),
                _check_room(given["lengths"], given["max_new_tokens"]),
            ]
        # Nothing may run before the checks: what does not fit would fail there without a name.
        with tf.control_dependencies(checks):
            given = {name: tf.identity(value) for name, value in given.items()}
        token_ids, lengths, limits, seeds = (given.pop(name) for name in names[:4])
        room = tf.reduce_max(_start(lengths) + limits)
        width = tf.shape(token_ids)[1]
        valid = tf.range(width) < lengths[:, None]
        token_ids = tf.where(valid, token_ids, 0)[:, :room]
        token_ids = tf.pad(token_ids, [[0, 0], [0, tf.maximum(room - width, 0)]])
        places = None if positions is None else _place(positions, token_ids)
        options = {"positions": places, "masks": masks, "slide": slide}
        return decode(model, token_ids, lengths, limits, given, seeds, **options)

    def _start(lengths):
        return tf.maximum(lengths, 1)  # a row of nothing begins with SOS

    def _check_room(lengths, limits):
        if slide is not None:
            message = f"max_new_tokens must not exceed {most_new_tokens}"
            return _check(limits <= most_new_tokens, message, limits)
        return _check(
            # As a difference: the sum of hostile numbers would overflow.
            limits <= max_context + 1 - _start(lengths),
            "lengths + max_new_tokens must not exceed the context + 1, which is "
            f"{max_context + 1} (a row of none begins with SOS, which counts)",
            lengths,
            limits,
        )

    return generate


def make_generate_text(generate, max_context, codec, sampling=(), slides=False):
    """Function of `generate_text_inputs`: strings in, strings out.

    The document starts with the text. What is generated ends at a limit in tokens or where the
    model ends the document.

    Args:
        generate: function, of `make_generate`.
        max_context: int.
        codec: `ByteText` or `PieceText`.
        sampling: that of `generate`.
        slides: bool. Whether `generate` goes on where the context is full.

    Returns:
        function → dict: `text` string (B,), the continuation alone, in valid UTF-8 (what is not is
        replaced by U+FFFD); `lengths` int32 (B,), tokens generated, EOS not counted; `log_probs`
        float32 (B,), of the whole continuation.
    """
    names = [spec.name for spec in generate_text_inputs(sampling)]
    limit = f"the {codec.unit} of text must be fewer than the context, "
    limit += "which is " if slides else "and with max_new_tokens not exceed it, which is "

    def generate_text(*tensors):
        given = dict(zip(names, tensors, strict=True))
        parts, num_tokens = codec.split(given["text"])
        max_new_tokens = given["max_new_tokens"]
        rows = _check_rows(text=given["text"], max_new_tokens=max_new_tokens)
        with tf.control_dependencies(rows):
            fits = num_tokens < max_context
            if not slides:
                # SOS before the text takes the place that the last token, read by nobody, leaves.
                fits &= max_new_tokens <= max_context - num_tokens
            check = _check(fits, f"{limit}{max_context}", num_tokens, max_new_tokens)
        with tf.control_dependencies([check]):
            token_ids = codec.ids(parts)
        lengths = num_tokens + 1
        result = generate(token_ids, lengths, *tensors[1:])
        place = tf.range(tf.shape(result["token_ids"])[1])
        new = (place >= lengths[:, None]) & (place < result["lengths"][:, None])
        is_text = result["token_ids"] >= byte_codec.NUM_RESERVED  # EOS is none
        return {
            "text": codec.continuation(result["token_ids"], new),
            "lengths": tf.reduce_sum(tf.cast(new & is_text, tf.int32), axis=-1),
            "log_probs": tf.reduce_sum(tf.where(new, result["log_probs"], 0.0), axis=-1),
        }

    return generate_text
