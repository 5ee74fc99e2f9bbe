"""What `inspect` shows of a set is what went in, and what is wrong with one takes a line."""

import io
import re
import sys

import mido
import numpy as np
import pytest
from PIL import Image

from pipelines import midi_files
from pipelines.command_line import BAD_INPUT
from pipelines.data import manifest
from pipelines.prepare import encoders, inspection, tokenizer
from pipelines.prepare.__main__ import main
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import SIZE, VALUES, write_images, write_music

SIZES = (900, 40, 2000, 700, 1200, 60)


def inspect(*arguments):
    assert runs.call(main, "inspect", *arguments) == 0


def refusal(capsys, *arguments):
    """The one line in which a command is refused, before anything is printed."""
    assert runs.call(main, "inspect", *arguments) == BAD_INPUT
    output, errors = capsys.readouterr()
    assert output == "" and errors.count("\n") == 1
    return errors


def shown(text):
    """What there is to be seen of a text."""
    return text[:400].strip("\r\n") + ("…" if len(text) > 400 else "")


def documents(folder, split="train"):
    """(name, tokens) of each document of a split, in the order of the shards."""
    made = manifest.load(str(folder))
    found = inspection.first_documents(
        str(folder), made.splits[split], made.token_bytes, number=10**6
    )
    return [(example.name, example.num_tokens) for example in found]


def beginnings(text):
    """dict of name to text, from the file of examples."""
    parts = re.split(r"(?:^|\n\n)(\S+), ([\d,]+) tokens:\n", text.removesuffix("\n"))
    assert parts[0] == ""
    return dict(zip(parts[1::3], parts[3::3]))


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """Books and their shards: several, with a few documents each."""
    folder = tmp_path_factory.mktemp("books")
    shards.write_books(folder / "books", SIZES)
    shards.write_books(folder / "books", (90,), "test")
    # Characters of one to four bytes, and more of them than are shown.
    (folder / "books/train/long.txt").write_text("𝄞é÷ naïve 漢" * 200)
    (folder / "books/train/bad.txt").write_bytes(b"\xff")
    shards.prepare(folder / "books", folder / "shards", shard_bytes=1500)
    return folder


def test_numbers_and_text_fit_on_a_terminal(books, capsys):
    inspect(books / "shards")
    output, errors = capsys.readouterr()
    assert max(map(len, output.split("train 1 of")[0].splitlines())) <= 80
    assert output.startswith("pg19, bytes, vocabulary of 259\n")
    row = {line.split("│")[1].strip(): line.split("│")[2:4] for line in output.splitlines()[4:13]}
    long = (books / "books/train/long.txt").stat().st_size
    lengths = sorted([*SIZES, long])
    wanted = {
        "documents": (7, 1),
        "tokens": (sum(lengths), 90),
        "bytes": (sum(lengths), 90),
        "shortest, tokens": (lengths[0], 90),
        "median, tokens": (lengths[3], 90),
        "longest, tokens": (lengths[-1], 90),
        "skipped": (1, 0),
    }
    for name, numbers in wanted.items():
        assert [int(cell.replace(",", "")) for cell in row[name]] == list(numbers), name
    assert "skipped train/bad.txt" in errors
    first = documents(books / "shards")[:4]
    found = re.findall(r"train (\d) of 7: (\S+), ([\d,]+) tokens", output)
    assert [(name, int(size.replace(",", ""))) for _, name, size in found] == first
    for name, _ in first:
        assert shown((books / "books" / name).read_text()) + "\n" in output
    assert output.splitlines()[-1].startswith("--output=DIR writes")
    assert sorted(path.name for path in books.iterdir()) == ["books", "shards"]


@pytest.mark.parametrize("pieces", [False, True])
def test_texts_come_back(books, tmp_path, capsys, pieces):
    folder = books / "shards"
    if pieces:
        shards.write_books(tmp_path / "some", (3000,))
        tokenizer.train(str(tmp_path / "some"), str(tmp_path / "a.model"), 320, 1000)
        encoder = encoders.make_encoder("pg19", tokenizer=str(tmp_path / "a.model"))
        folder = tmp_path / "shards"
        shards.prepare(books / "books", folder, encoder=encoder)
    inspect(folder, "--examples=100", f"--output={tmp_path / 'new/out'}")
    text = (tmp_path / "new/out/train-examples.txt").read_text()
    wanted = {
        f"train/{path.name}": shown(path.read_text())
        for path in (books / "books/train").glob("*.txt")
        if path.name != "bad.txt"
    }
    assert beginnings(text) == wanted
    output, _ = capsys.readouterr()
    codec = "sentencepiece, tokenizer tokenizer.model" if pieces else "bytes"
    assert output.startswith(f"pg19, {codec}, vocabulary of ")
    assert output.splitlines()[-2:] == [
        f"wrote {tmp_path}/new/out/lengths.png",
        f"wrote {tmp_path}/new/out/train-examples.txt",
    ]


def test_letters_that_command_a_terminal_are_escaped(tmp_path, capsys):
    text = "\x1b[2J\a [b]bold[/b]\r\n\t\N{NO-BREAK SPACE}fin"
    (tmp_path / "books/train").mkdir(parents=True)
    (tmp_path / "books/train/a.txt").write_bytes(text.encode())
    shards.prepare(tmp_path / "books", tmp_path / "shards")
    inspect(tmp_path / "shards", f"--output={tmp_path}")
    output, _ = capsys.readouterr()
    assert "\\x1b[2J\\x07 [b]bold[/b]\\r\n\t\N{NO-BREAK SPACE}fin" in output
    assert text.encode() in (tmp_path / "train-examples.txt").read_bytes()


def test_another_split_and_no_examples(books, tmp_path, capsys):
    inspect(books / "shards", "--split=test", f"--output={tmp_path}")
    assert beginnings((tmp_path / "test-examples.txt").read_text()) == {
        "test/000.txt": (books / "books/test/000.txt").read_text()
    }
    (tmp_path / "test-examples.txt").unlink()
    capsys.readouterr()
    inspect(books / "shards", "--examples=0", f"--output={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["lengths.png"]
    assert "train 1 of" not in capsys.readouterr().out


@pytest.mark.parametrize("order", ["raster", "rgb", "own"])
def test_images_come_back_in_any_order(tmp_path, capsys, order):
    images = write_images(tmp_path / "images/train")
    write_images(tmp_path / "images/valid", 1)
    if order == "own":
        order = str(tmp_path / "mine.npy")
        np.save(order, np.random.default_rng(1).permutation(VALUES))
    encoder = encoders.make_encoder("imagenet64", image_size=SIZE, order=order)
    shards.prepare(tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder)
    inspect(tmp_path / "out", "--examples=5", f"--output={tmp_path / 'shown'}")
    grid = np.asarray(Image.open(tmp_path / "shown/train-examples.png"))
    size = 4 * SIZE  # each pixel 4 × 4 of them
    step = size + 2  # a gap between them
    assert grid.shape == (2 * step - 2, 3 * step - 2, 3)
    for index, (name, _) in enumerate(documents(tmp_path / "out")[:5]):
        top, left = index // 3 * step, index % 3 * step
        wanted = images[int(name.removesuffix(".png")[-1])]
        wanted = np.kron(wanted, np.ones((4, 4, 1), "uint8"))
        assert np.array_equal(grid[top : top + size, left : left + size], wanted)
    output, _ = capsys.readouterr()
    assert f"imagenet64, image, size {SIZE}, order " in output and "words" not in output
    assert f"every document has {VALUES} tokens: there is no picture of the lengths\n" in output
    assert [path.name for path in (tmp_path / "shown").iterdir()] == ["train-examples.png"]


def test_performances_come_back(tmp_path, capsys):
    write_music(tmp_path / "music")
    shards.prepare(tmp_path / "music", tmp_path / "out", dataset="maestro")
    inspect(tmp_path / "out", f"--output={tmp_path / 'shown'}")
    found = documents(tmp_path / "out")
    assert len(found) == 2
    for number, (name, _) in enumerate(found, 1):
        path = tmp_path / f"shown/train-examples-{number}.mid"
        assert mido.MidiFile(path).length > 1
        notes, wanted = midi_files.read(path), midi_files.read(tmp_path / "music" / name)
        assert (notes["pitch"] == wanted["pitch"]).all()
        for time in ("onset", "offset"):
            assert np.abs(notes[time] - wanted[time]).max() <= 0.01
    output, _ = capsys.readouterr()
    assert len(re.findall(r"midi, \d+ tokens, 8 notes, 0:0\d minutes", output)) == 2


def test_what_an_earlier_look_left_goes_and_nothing_else(tmp_path, capsys):
    write_music(tmp_path / "music")
    shards.prepare(tmp_path / "music", tmp_path / "out", dataset="maestro")
    others = ("mine.mid", "train-examples-02.mid", "validation-examples-1.mid", "lengths.pdf")
    own = ("train-examples-2.mid", "train-examples-10.mid", "train-examples.txt")
    (tmp_path / "shown").mkdir()
    for name in (*others, *own):
        (tmp_path / "shown" / name).write_text("of old")
    inspect(tmp_path / "out", "--examples=1", f"--output={tmp_path / 'shown'}")
    names = sorted(path.name for path in (tmp_path / "shown").iterdir())
    assert names == sorted([*others, "lengths.png", "train-examples-1.mid"])
    output = capsys.readouterr().out
    assert sorted(re.findall(r"removed .*/(.+), of an earlier look", output)) == sorted(own)


@pytest.mark.parametrize(
    "lengths",
    [[12288] * 9, [1], [0], [0, 500], [5, 6], [1, 10**7], range(100, 900), [3] * 500 + [9000]],
)
def test_lengths_of_any_kind_are_drawn(lengths, recwarn):
    picture = inspection.draw_lengths({"train": np.array(lengths), "test": np.array([12])}, "a")
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.size) == ("PNG", (800, 500))
    image.load()
    assert not list(recwarn)


@pytest.mark.parametrize(("low", "high", "is_wide"), [(3, 9000, True), (100, 900, False)])
def test_each_length_is_within_a_bar(low, high, is_wide):
    lengths = np.arange(low, high + 1)
    edges = inspection._edges(low, high, lengths.size, is_wide)
    assert np.histogram(lengths, edges)[0].sum() == lengths.size
    steps = edges[1:] / edges[:-1] if is_wide else np.diff(edges)
    np.testing.assert_allclose(steps, steps[0])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split=validation"], r"no document of the split 'validation' \(there is train, test\)"),
        (["--split=dev"], "unknown split 'dev': choose train, validation, test"),
        (["--examples=-1"], "--examples must be an integer ≥ 0, got -1"),
        (["--examples=some"], "argument --examples: invalid int value: 'some'"),
        (["--output="], "argument --output: must not be empty"),
        (["--sample=3"], "unrecognized arguments: --sample=3"),
    ],
)
def test_flags_that_do_not_fit_are_refused(books, capsys, flags, message):
    assert re.search(message, refusal(capsys, books / "shards", *flags))


@pytest.mark.parametrize("path", ["nowhere", "books", "books/train/000.txt", "http://a.set/"])
def test_what_is_no_set_is_refused(books, capsys, path):
    wanted = "scheme 'http'" if path.startswith("http") else f"{path}' holds no manifest.json"
    assert wanted in refusal(capsys, path if path.startswith("http") else books / path)


def test_an_output_that_is_a_file_is_refused(books, capsys):
    assert "000.txt" in refusal(capsys, books / "shards", f"--output={books}/books/train/000.txt")


def test_without_matplotlib_it_says_what_to_do(books, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    inspect(books / "shards")
    capsys.readouterr()
    errors = refusal(capsys, books / "shards", f"--output={tmp_path / 'out'}")
    assert "pip install matplotlib, or leave --output out" in errors
    assert not (tmp_path / "out").exists()
