"""A text that is shown as it is written is the text."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import byte_codec
from pipelines.data import CopyTask
from pipelines.data.sentencepiece_text import SentencePieceText
from pipelines.generation.text_stream import TextStream
from pipelines.prepare import tokenizer

WORDS = ("the", "a", "whale", "sea", "of", "and", "", "that", "\t", "é", "漢", "𝄞")


def parts(decode, prompt, ids):
    """What is shown after the prompt and after each token, and at the end."""
    stream = TextStream(decode)
    return [stream.add(prompt), *(stream.add([i]) for i in ids), stream.end()]


@given(st.lists(st.integers(0, 258), max_size=400), st.integers(0, 10))
@example([3 + byte for byte in ("größe 𝄞 漢字" * 20).encode()], 4)
@example([3 + byte for byte in b"\xf0\x9f\x98" * 150 + b"a"], 0)
@example([258] * 300, 1)
def test_bytes_of_any_kind_are_those_of_the_whole(ids, start):
    shown = parts(byte_codec.decode, ids[:start], ids[start:])
    assert "".join(shown) == byte_codec.decode(ids)


def test_a_character_appears_when_it_is_whole():
    ids = byte_codec.encode("aé𝄞b")
    shown = parts(byte_codec.decode, [2, *ids[:2]], ids[2:])
    assert shown == ["a", "é", "", "", "", "𝄞", "b", ""]


def test_half_a_character_at_the_end_is_replaced():
    ids = byte_codec.encode("a𝄞")
    assert parts(byte_codec.decode, ids[:3], [1]) == ["a", "", "\ufffd"]


def test_numbers_are_parted_by_blanks():
    shown = parts(CopyTask(8).decode, [2, 10], [3, 258, 1])
    assert shown == ["7", " 0", " 255", "", ""]
    ids = [3 + number % 256 for number in range(500)]
    assert "".join(parts(CopyTask(8).decode, ids[:1], ids[1:])) == CopyTask(8).decode(ids)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    draw = random.Random(0)
    (folder / "books").mkdir()
    lines = (" ".join(draw.choices(WORDS, k=12)) for _ in range(99))
    (folder / "books" / "a.txt").write_text("\n".join(lines))
    tokenizer.train(str(folder / "books"), str(folder / "a.model"), 290, 1000)
    return SentencePieceText((folder / "a.model").read_bytes(), "a.model")


@settings(max_examples=50)
@given(st.lists(st.integers(0, 289), max_size=300), st.integers(0, 10))
def test_any_pieces_join_as_in_the_whole(pieces, ids, start):
    assert "".join(parts(pieces.decode, ids[:start], ids[start:])) == pieces.decode(ids)


@given(st.lists(st.sampled_from([*WORDS, " ", "\n", "ü"]), max_size=120).map("".join))
def test_pieces_of_a_text_and_rare_characters_as_their_bytes(pieces, text):
    ids = pieces.encode(text)
    assert "".join(parts(pieces.decode, [2], [*ids, 1])) == pieces.decode(ids) == text


def test_pieces_appear_with_their_blanks(pieces):
    ids = pieces.encode("the whale of the sea")
    shown = parts(pieces.decode, ids[:1], ids[1:])
    assert "".join(shown) == "the whale of the sea"
    assert all(shown[:-1]) and " whale" in "|".join(shown)


def test_what_is_decoded_at_each_step_is_short():
    """Or a long text would take the square of its length."""
    lengths = []

    def decode(ids):
        lengths.append(len(ids))
        return byte_codec.decode(ids)

    parts(decode, [], byte_codec.encode("words of a text " * 100))
    assert max(lengths) < 150
