"""How a text is asked for in pieces, and bytes in pieces become text.

A call of `generate` puts latents on the last N inputs of a prompt. One long call goes on with a
latent for each new input until N are held, then starts again with N // 2 of them: see
`keras_perceiver_ar.generation.cached_steps`.
"""

import codecs

from savedmodels.serving_client.changed import Changed

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


def stream(ask, text, limit, tokens_at_a_time, num_latents):
    """Asks for a continuation in pieces.

    Args:
        ask: function of a list of ids and a number of events → the list, continued.
        text: bytes. The prompt.
        limit: int. Events in all.
        tokens_at_a_time: int.
        num_latents: int or None. As for `restart`.

    Yields:
        str, none of them empty. A character comes with its last byte; reserved ids are dropped, and
        bytes that are no UTF-8 become U+FFFD.

    Raises:
        Changed: the events that were asked for again have become others.
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
        answer = ask(row[:begin], end - begin)
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
