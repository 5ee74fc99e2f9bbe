"""Streams against a model that is imitated here: what it draws depends on the latents it holds."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.generation.cached_steps import refill_size
from savedmodels.serving_client import text_stream
from savedmodels.serving_client.changed import Changed


def model(num_latents, ends=False):
    """An `ask` that draws each byte from the whole row and the latents that are held."""

    def ask(row, limit):
        row, held = list(row), min(len(row), num_latents)
        for number in range(limit):
            if number > 0:
                # As `CachedSteps.advance`: full latents start again.
                if held == num_latents:
                    held = refill_size("half", num_latents) - 1
                held += 1
            drawn = hashlib.sha256(repr((row, held)).encode()).digest()
            if ends and drawn[0] < 20:
                return [*row, text_stream.EOS]
            row.append(byte_codec.NUM_RESERVED + drawn[0])
        return row

    return ask


def join(*arguments):
    pieces = list(text_stream.stream(*arguments))
    assert all(pieces)
    return "".join(pieces)


def decode(row, text):
    return byte_codec.decode(row[1 + len(text) :]) if len(row) > 1 + len(text) else ""


STREAMS = {
    "text": st.binary(max_size=12),
    "limit": st.integers(0, 40),
    "pace": st.integers(1, 45),
    "num_latents": st.integers(1, 12),
    "ends": st.booleans(),
}


@given(**STREAMS)
def test_a_stream_that_knows_the_latents_is_one_long_call(text, limit, pace, num_latents, ends):
    ask = model(num_latents, ends)
    wanted = decode(ask(text_stream.encode(text), limit), text)
    assert join(ask, text, limit, pace, num_latents) == wanted


@given(**STREAMS)
def test_a_stream_within_the_latents_is_one_long_call(text, limit, pace, num_latents, ends):
    num_latents += len(text) + limit
    ask = model(num_latents, ends)
    wanted = decode(ask(text_stream.encode(text), limit), text)
    assert join(ask, text, limit, pace, None) == wanted


def test_a_stream_beyond_the_latents_differs():
    ask = model(4)
    wanted = decode(ask(text_stream.encode(b""), 40), b"")
    assert join(ask, b"", 40, 1, None) != wanted
    assert join(ask, b"", 40, 1, 4) == wanted


@given(num_latents=st.integers(1, 12), prompt=st.integers(1, 20), new=st.integers(0, 60))
def test_what_is_drawn_again_is_less_than_the_latents(num_latents, prompt, new):
    length = prompt + new
    begin = text_stream.restart(prompt, length, num_latents)
    assert prompt <= begin <= length and length - begin <= num_latents - num_latents // 2


@given(**STREAMS)
def test_what_is_drawn_again_comes_from_where_it_came_from(text, limit, pace, num_latents, ends):
    asked, ask = [], model(num_latents, ends)

    def note(row, number):
        asked.append((len(row), number))
        return ask(row, number)

    join(note, text, limit, pace, num_latents)
    for (begin, number), (following, _) in itertools.pairwise(asked):
        assert following in (begin, begin + number)


def test_requests_grow_and_are_cut_at_the_limit():
    asked = []

    def ask(row, limit):
        asked.append((len(row), limit))
        return [*row, *[70] * limit]

    assert join(ask, b"ab", 10, 4, None) == "C" * 10
    assert asked == [(3, 4), (7, 4), (11, 2)]


def test_nothing_to_generate_is_asked_for_once():
    asked = []

    def ask(row, limit):
        asked.append(limit)
        return list(row)

    assert join(ask, b"ab", 0, 4, None) == "" and asked == [0]


@given(text=st.text(max_size=20), pace=st.integers(1, 5), cut=st.integers(0, 3))
def test_characters_come_whole(text, pace, cut):
    data = text.encode("utf-8")
    data = data[: len(data) - cut]

    def ask(row, limit):
        end = len(row) - 1 + limit
        return [*row, *text_stream.encode(data)[len(row) : 1 + end]]

    pieces = list(text_stream.stream(ask, b"", len(data) + 3, pace, None))
    assert "".join(pieces) == data.decode("utf-8", "replace")
    # Only the last one may hold what is no character.
    assert all("\ufffd" not in piece for piece in pieces[:-1]) or "\ufffd" in text


def test_the_end_of_the_document_ends_it():
    def ask(row, limit):
        return [*row, 68, text_stream.EOS]  # at the limit: nothing but its id tells

    assert join(ask, b"x", 30, 2, None) == "A"


def test_other_tokens_than_before_are_told():
    rows = iter([[2, 70, 71], [2, 70, 99, 72]])
    pieces = text_stream.stream(lambda row, limit: next(rows), b"", 9, 2, 1)
    assert next(pieces) == "CD"
    with pytest.raises(Changed, match="drawn again"):
        next(pieces)
