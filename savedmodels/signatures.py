"""What a served model answers to, as TensorFlow functions with named inputs and outputs.

Every input has the batch as its first dimension, sampling parameters too: TF Serving batches
nothing else. Every refusal names the input. B batch, M inputs, T prompt and continuation.
"""

import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.generation import decode
from savedmodels.input_checks import check as _check
from savedmodels.input_checks import check_rows as _check_rows
from savedmodels.input_checks import check_tokens as _check_tokens
from savedmodels.input_checks import check_width as _check_width
from savedmodels.input_checks import place_from_start as _place


def _rows(dtype, name):
    return tf.TensorSpec((None,), dtype, name=name)


_TOKENS = (tf.TensorSpec((None, None), tf.int32, name="token_ids"), _rows(tf.int32, "lengths"))
_SAMPLING = (
    _rows(tf.int32, "max_new_tokens"),
    _rows(tf.int32, "seed"),
    _rows(tf.float32, "temperature"),
    _rows(tf.float32, "top_p"),
)
SCORE_INPUTS = _TOKENS
GENERATE_INPUTS = _TOKENS + _SAMPLING
GENERATE_TEXT_INPUTS = (_rows(tf.string, "text"), *_SAMPLING)


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


def make_generate(model, positions=None, masks=()):
    """Function of `GENERATE_INPUTS`: continues each prompt until its limit or EOS.

    Prompt and continuation may be one token longer than the context: nothing reads the last one.

    Args:
        model: `PerceiverARCausalLM`.
        positions: as for `make_score`.
        masks: tuple of `keras_perceiver_ar.generation.LogitMask`.

    Returns:
        function → dict: `token_ids` int32 (B, T), prompt and continuation, then zeros; `lengths`
        int32 (B,); `log_probs` float32 (B, T), of what was generated, NaN elsewhere. T is what the
        longest row asks for.
    """
    max_context = model.backbone.max_context

    def generate(token_ids, lengths, max_new_tokens, seed, temperature, top_p):
        sampling = {
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            "temperature": temperature,
            "top_p": top_p,
        }
        rows = _check_rows(token_ids=token_ids, lengths=lengths, **sampling)
        with tf.control_dependencies(rows):
            checks = [
                *_check_tokens(model, token_ids, lengths),
                *_check_sampling(max_new_tokens, temperature, top_p),
                _check(
                    lengths <= max_context,
                    f"lengths must not exceed the context of {max_context}",
                    lengths,
                ),
                _check(
                    # As a difference: the sum of hostile numbers would overflow.
                    max_new_tokens <= max_context + 1 - lengths,
                    "lengths + max_new_tokens must not exceed the context + 1, which is "
                    f"{max_context + 1}",
                    lengths,
                    max_new_tokens,
                ),
            ]
        # Nothing may run before the checks: what does not fit would fail there without a name.
        with tf.control_dependencies(checks):
            token_ids, lengths, max_new_tokens, seed, temperature, top_p = map(
                tf.identity, (token_ids, lengths, *sampling.values())
            )
            room = tf.reduce_max(lengths + max_new_tokens)
        width = tf.shape(token_ids)[1]
        valid = tf.range(width) < lengths[:, None]
        token_ids = tf.where(valid, token_ids, 0)[:, :room]
        token_ids = tf.pad(token_ids, [[0, 0], [0, tf.maximum(room - width, 0)]])
        places = None if positions is None else _place(positions, token_ids)
        sampling = {"temperature": temperature, "top_p": top_p}
        options = {"positions": places, "masks": masks}
        return decode(model, token_ids, lengths, max_new_tokens, sampling, seed, **options)

    return generate


def make_generate_text(generate, max_context, codec):
    """Function of `GENERATE_TEXT_INPUTS`: strings in, strings out.

    The document starts with the text. What is generated ends at a limit in tokens or where the
    model ends the document.

    Args:
        generate: function, of `make_generate`.
        max_context: int.
        codec: `ByteText` or `PieceText`.

    Returns:
        function → dict: `text` string (B,), the continuation alone, in valid UTF-8 (what is not is
        replaced by U+FFFD); `lengths` int32 (B,), tokens generated, EOS not counted; `log_probs`
        float32 (B,), of the whole continuation.
    """

    def generate_text(text, max_new_tokens, seed, temperature, top_p):
        parts, num_tokens = codec.split(text)
        with tf.control_dependencies(_check_rows(text=text, max_new_tokens=max_new_tokens)):
            check = _check(
                # SOS before the text takes the place that the last token, read by nobody, leaves.
                (num_tokens < max_context) & (max_new_tokens <= max_context - num_tokens),
                f"the {codec.unit} of text must be fewer than the context, and with "
                f"max_new_tokens not exceed it, which is {max_context}",
                num_tokens,
                max_new_tokens,
            )
        with tf.control_dependencies([check]):
            token_ids = codec.ids(parts)
        lengths = num_tokens + 1
        result = generate(token_ids, lengths, max_new_tokens, seed, temperature, top_p)
        place = tf.range(tf.shape(result["token_ids"])[1])
        new = (place >= lengths[:, None]) & (place < result["lengths"][:, None])
        is_text = result["token_ids"] >= byte_codec.NUM_RESERVED  # EOS is none
        return {
            "text": codec.continuation(result["token_ids"], new),
            "lengths": tf.reduce_sum(tf.cast(new & is_text, tf.int32), axis=-1),
            "log_probs": tf.reduce_sum(tf.where(new, result["log_probs"], 0.0), axis=-1),
        }

    return generate_text


def _check_sampling(max_new_tokens, temperature, top_p):
    finite = tf.math.is_finite(temperature)
    return [
        _check(max_new_tokens >= 0, "max_new_tokens must not be negative", max_new_tokens),
        _check(
            finite & (temperature >= 0),
            "temperature must be a finite number ≥ 0 (0 is greedy)",
            temperature,
        ),
        _check((top_p >= 0) & (top_p <= 1), "top_p must lie in 0 … 1", top_p),
    ]
