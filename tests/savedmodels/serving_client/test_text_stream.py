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
from savedmodels.serving_client.serving_error import ServingError


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


def stream(ask, *arguments):
    """A stream of bytes whose log-probabilities nobody looks at."""
    return text_stream.stream_bytes(lambda row, number: (ask(row, number), 0.0), *arguments)


def join(*arguments):
    pieces = list(stream(*arguments))
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


def test_requests_go_on_and_are_cut_at_the_limit():
    asked = []

    def ask(row, limit):
        asked.append((len(row), limit))
        return [*row, *[70] * limit]

    assert join(ask, b"ab", 10, 4, None) == "C" * 10
    assert asked == [(3, 4), (7, 4), (11, 2)]


@pytest.mark.parametrize("limit", [0, 4, -1])
def test_what_needs_one_request_is_asked_for_once(limit):
    asked = []

    def ask(row, limit):
        asked.append(limit)
        return [*row, *[70] * limit]

    assert join(ask, b"ab", limit, 4, None) == "C" * max(limit, 0) and asked == [limit]


@given(text=st.text(max_size=20), pace=st.integers(1, 5), cut=st.integers(0, 3))
def test_characters_come_whole(text, pace, cut):
    data = text.encode("utf-8")
    data = data[: len(data) - cut]

    def ask(row, limit):
        end = len(row) - 1 + limit
        return [*row, *text_stream.encode(data)[len(row) : 1 + end]]

    pieces = list(stream(ask, b"", len(data) + 3, pace, None))
    assert "".join(pieces) == data.decode("utf-8", "replace")
    # Only the last one may hold what is no character.
    assert all("\ufffd" not in piece for piece in pieces[:-1]) or "\ufffd" in text


def test_the_end_of_the_document_ends_it():
    def ask(row, limit):
        return [*row, 68, text_stream.EOS]  # at the limit: nothing but its id tells

    assert join(ask, b"x", 30, 2, None) == "A"


def test_other_tokens_than_before_are_told():
    rows = iter([[2, 70, 71], [2, 70, 99, 72, 73]])
    pieces = stream(lambda row, limit: next(rows), b"", 9, 2, 1)
    assert next(pieces) == "CD"
    with pytest.raises(Changed, match="drawn again"):
        next(pieces)


def pieces_of_words(whole, pace, limit):
    """A stream of a model whose tokens are characters, and the numbers it was asked for."""
    asked = []

    def ask_text(text, number):
        assert text == b"ab"
        asked.append(number)
        return whole[:number], min(number, len(whole)), -float(number)

    return list(text_stream.stream_text(ask_text, b"ab", limit, pace)), asked


@given(
    whole=st.text(st.sampled_from("ab ö𝄞\ufffd"), max_size=30),
    pace=st.integers(1, 9),
    limit=st.integers(0, 40),
)
def test_pieces_of_words_are_asked_for_from_the_beginning(whole, pace, limit):
    pieces, asked = pieces_of_words(whole, pace, limit)
    assert "".join(pieces) == whole[:limit] and all(pieces)
    assert asked == sorted(set(asked)) and asked[-1] <= limit
    assert sum(asked) <= 4 * limit + 3 * pace


def test_requests_for_pieces_of_words_grow():
    pieces, asked = pieces_of_words("x" * 99, 4, limit=40)
    assert asked == [4, 8, 12, 18, 27, 40]
    assert [len(piece) for piece in pieces] == [4, 4, 4, 6, 9, 13]


def test_half_a_character_is_held_back_and_another_text_told():
    answers = [("a\ufffd", 2, -1.0), ("aö\ufffd", 4, -2.0), ("bö", 6, -3.0)]
    pieces = text_stream.stream_text(lambda text, number: answers.pop(0), b"", 9, 2)
    assert next(pieces) == "a"
    assert next(pieces) == "ö"
    with pytest.raises(Changed, match="first 2 characters were drawn again"):
        next(pieces)


def answer_or_fail(value, answer):
    def function(*_):
        if isinstance(value, str):
            raise ServingError(value, "what", "books", "host")
        return (*answer, value)

    return function


@pytest.mark.parametrize(
    ("of_ids", "of_text", "expected"),
    [
        (-2.5, -2.5, True),
        (-2.5, -2.500001, True),
        (-2.5, -2.6, False),
        ("refused", -2.5, False),
        (-2.5, "refused", False),
    ],
)
def test_whether_tokens_are_bytes(of_ids, of_text, expected):
    ask, ask_text = answer_or_fail(of_ids, ([2, 9],)), answer_or_fail(of_text, ("a", 1))
    assert text_stream.are_bytes(ask, ask_text) == expected


def test_a_server_that_is_gone_does_not_say_whether_tokens_are_bytes():
    with pytest.raises(ServingError):
        text_stream.are_bytes(answer_or_fail("not_there", ()), answer_or_fail(-1.0, ("a", 1)))
