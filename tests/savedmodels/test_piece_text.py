"""Text of pieces in a graph is that of the task's codec, byte for byte."""

import random
import re

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.sentencepiece_text import SentencePieceText
from pipelines.prepare import tokenizer
from savedmodels.piece_text import PieceText
from tests.savedmodels import exports

# The pieces' own sign for a space is a space to them, and 0 ends a text of C.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581\0"))


def write_text(folder):
    (folder / "train").mkdir(parents=True)
    draw = random.Random(0)
    text = "\n".join(" ".join(draw.choices(exports.WORDS, k=12)) for _ in range(200))
    (folder / "train" / "0.txt").write_text(text)
    return folder / "train" / "0.txt"


def ours(folder):
    """A model file as `pipelines.prepare tokenizer` makes it: it gives every text back."""
    write_text(folder)
    tokenizer.train(str(folder), str(folder / "a.model"), 290, 1000)
    return (folder / "a.model").read_bytes()


def others(folder):
    """One as SentencePiece makes it by itself: normalising, a space in front, no bytes."""
    sentencepiece.SentencePieceTrainer.train(
        input=str(write_text(folder)),
        model_prefix=str(folder / "b"),
        vocab_size=30,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    return (folder / "b.model").read_bytes()


@pytest.fixture(scope="module", params=[ours, others])
def both(request, tmp_path_factory):
    """The task's codec, the graph's, and its functions as a graph runs them."""
    model = request.param(tmp_path_factory.mktemp("pieces"))
    codec, pieces = SentencePieceText(model, "a.model"), PieceText(model)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def encode(text):
        parts, num_tokens = pieces.split(text)
        return pieces.ids(parts), num_tokens

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, None), tf.bool),
        ]
    )
    def continuation(token_ids, is_new):
        return pieces.continuation(token_ids, is_new)

    return codec, encode, continuation


@given(texts=st.lists(TEXT, min_size=1, max_size=3))
def test_ids_are_those_of_the_codec(both, texts):
    codec, encode, _ = both
    token_ids, num_tokens = encode(tf.constant(texts))
    for text, row, number in zip(texts, token_ids.numpy(), num_tokens.numpy()):
        assert row[: 1 + number].tolist() == [2, *codec.encode(text)]
        assert not row[1 + number :].any()


@given(
    prompts=st.lists(st.one_of(st.just(""), st.just(" "), TEXT), min_size=1, max_size=3),
    drawn=st.data(),
)
def test_prompt_and_continuation_are_the_codecs_text_of_all(both, prompts, drawn):
    codec, _, continuation = both
    ids = st.lists(st.integers(3, codec.vocab_size - 1), max_size=8)
    rows = []
    for prompt in prompts:
        end = drawn.draw(st.sampled_from([[], [1]]))
        rows.append(([2, *codec.encode(prompt).tolist()], [*drawn.draw(ids), *end]))
    token_ids, lengths = exports.padded([start + new for start, new in rows])
    place = tf.range(token_ids.shape[1])
    first = tf.constant([len(start) for start, _ in rows])
    is_new = (place >= first[:, None]) & (place < lengths[:, None])
    found = continuation(token_ids, is_new).numpy()
    for (start, new), text in zip(rows, found):
        assert codec.decode(start) + text.decode() == codec.decode(start + new)


def test_the_files_it_was_learnt_from_stay_at_home(tmp_path):
    model = others(tmp_path)
    assert re.search(rb"/0\.txt", model)
    resource = PieceText(model).tokenizer._model_resource
    assert str(tmp_path).encode() not in resource._model
