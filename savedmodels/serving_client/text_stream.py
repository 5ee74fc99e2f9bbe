"""How a text is asked for in pieces, and bytes in pieces become text.

A call of `generate` puts latents on the last N inputs of a prompt. One long call goes on with a
latent for each new input until N are held, then starts again with N // 2 of them: see
`keras_perceiver_ar.generation.cached_steps`.
"""

import codecs
import math

from savedmodels.serving_client.changed import Changed
from savedmodels.serving_client.serving_error import ServingError

SOS, EOS, NUM_RESERVED = 2, 1, 3  # as in `keras_perceiver_ar.codecs.byte_codec`


def encode(text):
    """bytes → list of the ids of a document that begins with them."""
    return [SOS, *(byte + NUM_RESERVED for byte in text)]


def restart(prompt, length, num_latents):
    """The longest beginning of a row from which a new call goes on as one long call does.

    Args:
        prompt: int. Events in the prompt of the long call.
        length: int. Events so far, at least as many.
        num_latents: int or None. N; None is as many as there are events.

    Returns:
        int from `prompt` to `length`.
    """
    if num_latents is None or length <= num_latents:
        return length
    # A new call begins with N latents. So does the long one at the start, and each time that it
    # has filled them again.
    full = max(prompt, num_latents)
    period = num_latents - max(num_latents // 2, 1) + 1
    return full + (length - full) // period * period


def stream(ask, ask_text, text, limit, tokens_at_a_time, num_latents):
    """Asks for a continuation in pieces.

    Nothing tells whether a model's tokens are bytes but what it does: where the tokens after the
    bytes of the text are the text that follows, with the same log-probability, they are.

    Args:
        ask: function of a list of ids and a number of tokens → the list, continued, and the sum of
            the log-probabilities of what is new.
        ask_text: function of a number of tokens → str, the continuation, the number of its tokens,
            and the sum of their log-probabilities.
        text: bytes. The prompt.
        limit: int. Tokens in all.
        tokens_at_a_time: int.
        num_latents: int or None. As for `restart`.

    Yields:
        str, none of them empty. A character comes with its last byte.

    Raises:
        Changed: what was drawn before has become something else.
    """
    row = encode(text)
    asked = _end(len(row), row, limit, tokens_at_a_time, num_latents) - len(row)
    found, length, log_prob = ask_text(asked)
    if asked == limit or length < asked:
        if found:
            yield found
        return
    try:
        longer, same = ask(row, asked)
    except ServingError as error:
        if error.kind != "refused":
            raise
        longer, same = row, math.nan  # its ids have fewer numbers than bytes, or more
    new = longer[len(row) :]
    is_bytes = len(new) == length and math.isclose(same, log_prob, rel_tol=1e-3, abs_tol=1e-3)
    if is_bytes and _bytes(new).decode("utf-8", "replace") == found:
        yield from _stream_bytes(ask, row, longer, limit, tokens_at_a_time, num_latents)
    else:
        yield from _stream_text(ask_text, found, asked, limit, tokens_at_a_time)


def _stream_bytes(ask, row, longer, limit, tokens_at_a_time, num_latents):
    """Goes on from what came so far; bytes that are no UTF-8 become U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    prompt, end = len(row), len(longer)
    while True:
        new, row = longer[len(row) :], longer
        last = len(row) < end or end == prompt + limit or EOS in new
        piece = decoder.decode(_bytes(new), last)
        if piece:
            yield piece
        if last:
            return
        begin = restart(prompt, len(row), num_latents)
        end = _end(prompt, row, limit, tokens_at_a_time, num_latents)
        longer, _ = ask(row[:begin], end - begin)
        if longer[: len(row)] != row:
            raise Changed(
                f"the {len(row) - begin} tokens after the first {begin} were drawn again, and are "
                "others now"
            )


def _stream_text(ask_text, found, asked, limit, tokens_at_a_time):
    """Asks again and again for the text from its beginning, half as long again each time.

    A text of pieces of words cannot be gone on with: cut elsewhere into pieces, it is another.
    """
    said, length = "", asked
    while True:
        last = asked == limit or length < asked
        # The end may be half a character.
        whole = found if last else found.rstrip("\ufffd")
        if not whole.startswith(said):
            raise Changed(f"the first {len(said)} characters were drawn again, and are others now")
        if whole != said:
            yield whole[len(said) :]
        if last:
            return
        said, asked = whole, min(limit, asked + max(tokens_at_a_time, asked // 2))
        found, length, _ = ask_text(asked)


def _end(prompt, row, limit, tokens_at_a_time, num_latents):
    """Where the next request ends."""
    end = len(row) + tokens_at_a_time
    # Not beyond the next restart: what comes after it would be drawn again from another beginning,
    # whose logits are the same but for rounding.
    following = restart(prompt, end, num_latents)
    return min(following if following > len(row) else end, prompt + limit)


def _bytes(token_ids):
    """Of a list of ids, without those that are reserved."""
    return bytes(i - NUM_RESERVED for i in token_ids if NUM_RESERVED <= i < NUM_RESERVED + 256)
