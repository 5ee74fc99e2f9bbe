import os
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data import corpus as corpus_module
from pipelines.data import files
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return folder


def documents(corpus):
    pairs = zip(corpus.offsets[:-1], corpus.offsets[1:])
    return [corpus.data[start:end].tobytes() for start, end in pairs]


def test_a_split_of_the_pg19_layout(tmp_path):
    write(tmp_path, {"train/20.txt": "zwei\r\n", "train/100.txt": "eins", "validation/3.txt": "ü"})
    write(tmp_path, {"metadata.csv": "20,x,1900,-\n", "train/notes.md": "no", "train/.x.txt": "no"})
    corpus = Corpus.load(tmp_path, "train")
    # Sorted by name, line ends kept.
    assert documents(corpus) == [b"eins", b"zwei\r\n"]
    assert corpus.names == (f"{tmp_path}/train/100.txt", f"{tmp_path}/train/20.txt")
    assert (corpus.data.dtype, corpus.offsets.dtype) == (np.uint8, np.int64)
    assert (corpus.num_bytes, corpus.num_documents) == (10, 2)
    assert corpus.num_events.tolist() == [6, 8]
    assert corpus.data.ctypes.data % 64 == 0
    assert documents(Corpus.load(str(tmp_path), "validation")) == ["ü".encode()]


def test_byte_order_marks_are_dropped(tmp_path):
    write(tmp_path, {"test/1.txt": b"\xef\xbb\xbfone", "test/2.txt": "two", "test/3.txt": "drei"})
    assert documents(Corpus.load(tmp_path, "test")) == [b"one", b"two", b"drei"]


def test_other_folders_are_searched_and_split(tmp_path):
    first = "".join(chr(65 + i % 26) for i in range(100))
    # 38 bytes; 95 % of them is 36, inside the last character, which starts at 34.
    second = "x" * 34 + "\U0001d11e"
    write(tmp_path, {"a/deep/1.txt": first, "b.txt": second, "a/readme": "no"})
    train, rest = Corpus.load(tmp_path, "train"), Corpus.load(tmp_path, "validation")
    assert documents(train) == [first[:95].encode(), b"x" * 34]
    assert documents(rest) == [first[95:].encode(), "\U0001d11e".encode()]
    assert documents(Corpus.load(tmp_path, "test")) == documents(rest)


def test_files_too_short_for_a_part_are_left_out_of_it(tmp_path):
    write(tmp_path, {"1.txt": "é", "2.txt": "abc"})
    train = Corpus.load(tmp_path, "train")
    assert documents(train) == [b"ab"]
    assert train.names == (f"{tmp_path}/2.txt",)
    assert documents(Corpus.load(tmp_path, "test")) == ["é".encode(), b"c"]


@pytest.mark.parametrize("text", ["a", "ab", "é", "aé", "€", "\U0001d11e", "a\U0001d11e" * 30])
def test_the_two_parts_are_the_whole(tmp_path, text):
    write(tmp_path, {"1.txt": b"\xef\xbb\xbf" + text.encode(), "2.txt": "y" * 40})
    parts = [documents(Corpus.load(tmp_path, split)) for split in ("train", "test")]
    assert b"".join(sorted(d for part in parts for d in part if b"y" in d)) == b"y" * 40
    own = [d for part in parts for d in part if b"y" not in d]
    assert "".join(d.decode() for d in own) == text


def test_remote_file_systems():
    folder = "ram://bucket/books"
    tf.io.gfile.makedirs(f"{folder}/train")
    for name, text in {"train/2.txt": "two", "train/1.txt": "one"}.items():
        with tf.io.gfile.GFile(f"{folder}/{name}", "w") as file:
            file.write(text)
    assert documents(Corpus.load(folder, "train")) == [b"one", b"two"]


def test_many_files_keep_their_order(tmp_path):
    write(tmp_path, {f"train/{i:03d}.txt": f"book {i} " * (1 + i % 7) for i in range(100)})
    expected = [(f"book {i} " * (1 + i % 7)).encode() for i in range(100)]
    assert documents(Corpus.load(tmp_path, "train")) == expected


def test_progress_goes_to_stderr(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "_REPORT_SECONDS", 0.0)
    Corpus.load(write(tmp_path, {"train/1.txt": "one", "train/2.txt": "two"}), "train")
    captured = capsys.readouterr()
    assert f"read 2 of 2 files of {tmp_path}" in captured.err
    assert captured.out == ""


def test_refused_folders(tmp_path):
    with pytest.raises(UserError, match="no folder '.*/nowhere': give one with train/"):
        Corpus.load(tmp_path / "nowhere", "train")
    with pytest.raises(UserError, match=r"no \*.txt files in"):
        Corpus.load(tmp_path, "train")
    with pytest.raises(UserError, match="no folder '.*/1.txt'"):
        Corpus.load(write(tmp_path, {"1.txt": "é"}) / "1.txt", "train")
    with pytest.raises(UserError, match="too short to set aside 5 % of each"):
        Corpus.load(tmp_path, "train")
    with pytest.raises(UserError, match="unknown split 'dev': choose train, validation, test"):
        Corpus.load(tmp_path, "dev")
    write(tmp_path, {"train/1.txt": "one"})
    with pytest.raises(UserError, match=r"has no folder 'test' \(there is train\): add it"):
        Corpus.load(tmp_path, "test")
    (tmp_path / "test").mkdir()
    with pytest.raises(UserError, match=r"no \*.txt files in '.*/test'"):
        Corpus.load(tmp_path, "test")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "/2.txt' is empty or only white space: delete it"),
        (b" \r\n\t", "/2.txt' is empty or only white space"),
        (b"\xef\xbb\xbf\n", "/2.txt' is empty or only white space"),
        (b"caf\xe9 au lait", "/2.txt' is not UTF-8: byte 0xe9 at offset 3; convert it.*iconv"),
        (b"\xef\xbb\xbfab\xc3", "/2.txt' is not UTF-8: byte 0xc3 at offset 5"),
    ],
)
def test_refused_files(tmp_path, data, message):
    write(tmp_path, {"train/1.txt": "one", "train/2.txt": data, "train/3.txt": b""})
    with pytest.raises(UserError, match=message) as caught:
        Corpus.load(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    write(tmp_path, {"train/1.txt": "one"})
    os.symlink(tmp_path / "gone.txt", tmp_path / "train" / "2.txt")
    with pytest.raises(UserError, match="cannot read '.*/2.txt' .*check that it is there"):
        Corpus.load(tmp_path, "train")


def test_small_and_capital_letters_and_folders_of_such_names(tmp_path):
    write(tmp_path, {"train/1.TXT": "one", "train/2.txt/inner.txt": "two"})
    assert documents(Corpus.load(tmp_path, "train")) == [b"one", b"two"]


def test_text_beside_the_folders_of_splits_is_named(tmp_path, capsys):
    write(tmp_path, {"train/1.txt": "one", "test/2.txt": "two"})
    for split in ("train", "test"):
        Corpus.load(tmp_path, split)
    assert capsys.readouterr().err == ""
    write(tmp_path, {"valid/3.txt": "3", "README.txt": "4", "metadata.csv": "", ".git/5.txt": ""})
    for split in ("train", "test"):
        Corpus.load(tmp_path, split)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("left out: 'README.txt' and 1 more in ")


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    write(tmp_path, {"train/1.txt": "one", "train/2.txt": "two"})
    monkeypatch.setattr(files, "sizes", lambda paths, folder: [2] * len(paths))
    with pytest.raises(UserError, match="/1.txt' is not read whole .3 bytes came of 2.: wait"):
        Corpus.load(tmp_path, "train")


PIECES = b"a", " \u2003".encode(), "é€\U0001d11e".encode(), b"\xff", b"\xe2\x82"


@given(st.lists(st.sampled_from(PIECES)))
def test_text_is_checked_in_parts_as_in_one(pieces):
    data = b"".join(pieces)
    with mock.patch.object(corpus_module, "_CHUNK", 3):
        try:
            text, found = data.decode(), None
        except UnicodeDecodeError as error:
            text, found = None, f"offset {error.start}$"
        if text is not None and not text.strip():
            found = "only white space"
        if found is None:
            assert corpus_module.check_text(data, "a.txt") == data
        else:
            with pytest.raises(UserError, match=found):
                corpus_module.check_text(data, "a.txt")
