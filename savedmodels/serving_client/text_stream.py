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
_PROBE = b"qa"


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


def are_bytes(ask, ask_text):
    """Whether the tokens of a model of text are bytes.

    Nothing but what the model does tells: after the ids of some bytes it says what it says after
    the same text, with the same log-probability. Pieces of words have other ids.

    Args:
        ask: as for `stream_bytes`.
        ask_text: as for `stream_text`.

    Returns:
        bool.
    """
    try:
        _, found = ask(encode(_PROBE), 1)
        _, _, wanted = ask_text(_PROBE, 1)
    except ServingError as error:
        # Fewer ids than bytes have, or a context too short for it: asking for text always does.
        if error.kind != "refused":
            raise
        return False
    return math.isclose(found, wanted, rel_tol=1e-3, abs_tol=1e-4)


def stream_bytes(ask, text, limit, tokens_at_a_time, num_latents):
    """Asks for a continuation in ids that are bytes, and goes on from what came so far.

    Args:
        ask: function of a list of ids and a number of tokens → the list, continued, and the sum of
            the log-probabilities of what is new.
        text: bytes. The prompt.
        limit: int. Bytes in all.
        tokens_at_a_time: int.
        num_latents: int or None. As for `restart`.

    Yields:
        str, none of them empty. A character comes with its last byte; what is no UTF-8 becomes
        U+FFFD.

    Raises:
        Changed: what was drawn before has become something else.
    """
    row, decoder = encode(text), codecs.getincrementaldecoder("utf-8")("replace")
    prompt, last = len(row), False
    while not last:
        begin = restart(prompt, len(row), num_latents)
        end = len(row) + tokens_at_a_time
        # Not beyond the next restart: what comes after it would be drawn again from another
        # beginning, whose logits are the same but for rounding.
        following = restart(prompt, end, num_latents)
        end = min(following if following > len(row) else end, prompt + limit)
        answer, _ = ask(row[:begin], end - begin)
        if answer[: len(row)] != row:
            raise Changed(
                f"the {len(row) - begin} tokens after the first {begin} were drawn again, and are "
                "others now"
            )
        new, row = answer[len(row) :], answer
        last = len(row) < end or end == prompt + limit or EOS in new
        piece = decoder.decode(bytes(i - NUM_RESERVED for i in new if i >= NUM_RESERVED), last)
        if piece:
            yield piece


def stream_text(ask_text, text, limit, tokens_at_a_time):
    """Asks again and again for a text from its beginning, half as long again each time.

    A text of pieces of words cannot be gone on with: cut elsewhere into pieces, it is another.

    Args:
        ask_text: function of bytes and a number of tokens → str, the continuation, the number of
            its tokens, and the sum of their log-probabilities.
        text: bytes. The prompt.
        limit: int. Tokens in all.
        tokens_at_a_time: int. Of the first request; those after it ask for no fewer.

    Yields:
        str, none of them empty.

    Raises:
        Changed: what was drawn before has become something else.
    """
    said, asked, last = "", 0, False
    while not last:
        asked = min(limit, asked + max(tokens_at_a_time, asked // 2))
        found, length, _ = ask_text(text, asked)
        last = asked == limit or length < asked
        # The end may be half a character.
        whole = found if last else found.rstrip("\ufffd")
        if not whole.startswith(said):
            raise Changed(f"the first {len(said)} characters were drawn again, and are others now")
        if whole != said:
            yield whole[len(said) :]
        said = whole
