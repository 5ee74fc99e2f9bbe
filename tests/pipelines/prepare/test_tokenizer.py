"""A tokenizer is trained, shards are made with it, and everything comes back as it was."""

import json
import random
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.data import ShardsTask
from pipelines.data.sentencepiece_text import SentencePieceText
from pipelines.errors import UserError
from pipelines.prepare import encoders, tokenizer
from pipelines.prepare.__main__ import main
from tests.pipelines import shards

WORDS = ("the", "a", "whale", "sea", "of", "and", "to", "in", "", "that", "his", "\t", "é", "漢")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    draw = random.Random(0)
    for split in ("train", "validation"):
        (folder / "books" / split).mkdir(parents=True)
        for number in range(3):
            lines = (" ".join(draw.choices(WORDS, k=12)) for _ in range(40))
            (folder / "books" / split / f"{number}.txt").write_text("\n".join(lines) + "\r\n ")
    tokenizer.train(str(folder / "books"), str(folder / "a.model"), 290, 1000)
    encoder = encoders.make_encoder("pg19", tokenizer=str(folder / "a.model"))
    shards.prepare(folder / "books", folder / "shards", encoder=encoder)
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return SentencePieceText((folder / "a.model").read_bytes(), "a.model")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581\0")))
def test_every_text_comes_back(text, some):
    assert text.decode(text.encode(some)) == some


def test_reserved_ids_are_kept_free_and_dropped(text):
    ids = text.encode("the whale")
    assert ids.min() >= 3 and ids.max() < text.vocab_size == 290
    assert text.decode([2, *ids, 1, 0, 0]) == "the whale"


def test_shards_hold_the_text(folder):
    task = ShardsTask(folder / "shards", targets_per_example=10**6)
    assert task.vocab_size == 290
    assert task.evaluation_metrics == ("word_perplexity", "bits_per_byte", "bits_per_token")
    batches = task.train_dataset(context=4000, batch_size=3, seed=0)
    ids = next(iter(batches))[0]["token_ids"].numpy()
    wanted = [path.read_bytes().decode() for path in sorted((folder / "books/train").iterdir())]
    assert all(any(book.startswith(task.decode(row)) for book in wanted) for row in ids)
    units = task.units("validation")
    found = [path.read_bytes() for path in (folder / "books/validation").iterdir()]
    assert units["bytes"] == sum(map(len, found))
    assert units["words"] == sum(len(book.split()) for book in found)


def test_every_document_comes_back_from_its_shard(folder):
    task = ShardsTask(folder / "shards")
    names = []
    for _, name, ids in shards.records(folder / "shards", task.manifest):
        names.append(name)
        assert task.decode(ids) == (folder / "books" / name).read_bytes().decode()
    assert len(names) == len(set(names)) == 6


def test_another_tokenizer_is_refused(folder, tmp_path):
    tokenizer.train(str(folder / "books"), str(tmp_path / "b.model"), 285, 1000)
    encoder = encoders.make_encoder("pg19", tokenizer=str(folder / "a.model"))
    shards.prepare(folder / "books", tmp_path / "shards", encoder=encoder)
    (tmp_path / "shards/tokenizer.model").write_bytes((tmp_path / "b.model").read_bytes())
    with pytest.raises(UserError, match="is not the file that the shards were made with"):
        ShardsTask(tmp_path / "shards")


def test_text_that_would_not_come_back_is_left_out(folder, tmp_path):
    shards.write_books(tmp_path / "books", (50,))
    (tmp_path / "books/train/bad.txt").write_text("a \u2581 b")
    encoder = encoders.make_encoder("pg19", tokenizer=str(folder / "a.model"))
    made = shards.prepare(tmp_path / "books", tmp_path / "shards", encoder=encoder)
    (skipped,) = [shard.skipped for shard in made.splits["train"] if shard.skipped]
    assert list(skipped) == ["train/bad.txt"] and "does not come back" in skipped["train/bad.txt"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"nonsense", "no SentencePiece model"), (None, "model file")]
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, message):
    path = tmp_path / "x.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        encoders.make_encoder("pg19", tokenizer=str(path))


def test_a_model_with_other_reserved_ids_is_refused(folder):
    import io

    import sentencepiece

    model = io.BytesIO()
    lines = (folder / "books/train/0.txt").read_text().splitlines()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=30, minloglevel=2
    )
    with pytest.raises(UserError, match="at ids 0, 1, 2 instead of <pad>"):
        SentencePieceText(model.getvalue(), "x.model")


def test_the_command(folder, tmp_path, capsys):
    output = tmp_path / "c.model"
    main(
        [
            "tokenizer",
            f"--input={folder / 'books'}",
            f"--output={output}",
            "--vocab_size=290",
            "--sentences=1000",
        ]
    )
    assert output.read_bytes() == (folder / "a.model").read_bytes()
    assert capsys.readouterr().out == f"wrote {output}, 290 pieces\n"
    with pytest.raises(UserError, match="--vocab_size must be an integer ≥ 270"):
        main(["tokenizer", f"--input={folder}", f"--output={output}", "--vocab_size=10"])
    with pytest.raises(UserError, match="give another --vocab_size, or more text"):
        main(["tokenizer", f"--input={folder / 'books'}", f"--output={output}"])


def test_the_manifest_names_the_tokenizer(folder):
    codec = json.loads((folder / "shards/manifest.json").read_text())["codec"]
    assert (codec["name"], codec["file"]) == ("sentencepiece", "tokenizer.model")


def test_what_cannot_be_learnt_from_is_refused_before_learning(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tokenizer.sentencepiece.SentencePieceTrainer, "train", None)
    books = str(folder / "books")
    with pytest.raises(UserError, match="is a folder: name a file in it"):
        tokenizer.train(books, str(tmp_path), 300, 1000)
    (tmp_path / "held/test").mkdir(parents=True)
    (tmp_path / "held/test/1.txt").write_text("text")
    with pytest.raises(UserError, match="has no folder train"):
        tokenizer.train(str(tmp_path / "held"), str(tmp_path / "a.model"), 300, 1000)


def test_a_text_that_shards_leave_out_is_not_learnt_from(folder, tmp_path, capsys):
    shutil.copytree(folder / "books", tmp_path / "books")
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    output = tmp_path / "new/a.model"
    tokenizer.train(str(tmp_path / "books"), str(output), 290, 1000)
    assert output.read_bytes() == (folder / "a.model").read_bytes()
    assert "skipped train/bad.txt: " in capsys.readouterr().err
