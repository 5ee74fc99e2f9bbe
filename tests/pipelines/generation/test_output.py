"""What an interrupted generation leaves, and says of it."""

import types

import numpy as np
import pytest
from PIL import Image

from keras_perceiver_ar.codecs import byte_codec, performance_codec
from pipelines.command_line import Terminated
from pipelines.data import codecs
from pipelines.errors import UserError
from pipelines.generation import music_output
from pipelines.generation.batches import Drawn
from pipelines.generation.image_output import ImageOutput
from pipelines.generation.json_output import JsonOutput
from pipelines.generation.music_output import MusicOutput
from pipelines.generation.prompts import Row

TASK = types.SimpleNamespace(decode=codecs.Image(2, "raster").decode, positions=np.zeros((13, 3)))
# An output of three rows, the ids of one, what it is called, and the files of two that are done.
KINDS = {
    "image": (lambda path: ImageOutput(TASK, path), [9] * 12, "x.png", ["x.png"]),
    "line": (lambda path: JsonOutput(byte_codec.decode, path), [100], "x.jsonl", ["x.jsonl"]),
    "performance": (
        lambda path: MusicOutput(path, 3),
        [performance_codec.NOTE_ON + 60],
        "x.mid",
        ["x-1.mid", "x-2.mid"],
    ),
}


def row(ids):
    return Drawn(Row(np.array([2], np.int32)), 0, np.array(ids, np.int32), np.zeros(len(ids)))


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated])
@pytest.mark.parametrize("what", KINDS)
def test_a_signal_leaves_what_was_done(tmp_path, capsys, what, error):
    make, ids, name, files = KINDS[what]
    with pytest.raises(error), make(str(tmp_path / name)) as output:
        output.add([row(ids), row(ids)])
        raise error
    assert capsys.readouterr().err == f"wrote what was done: 2 {what}s\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    if what == "image":  # two of two pixels and the gap between them
        assert Image.open(tmp_path / name).size == (2 + 2 + 2, 2)


@pytest.mark.parametrize("what", KINDS)
def test_before_the_first_there_is_nothing(tmp_path, capsys, what):
    make, _, name, _ = KINDS[what]
    with pytest.raises(KeyboardInterrupt), make(str(tmp_path / name)):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == f"wrote nothing: no {what} was done\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", KINDS)
def test_of_another_error_something_else_tells(tmp_path, capsys, what):
    make, _, name, _ = KINDS[what]
    with pytest.raises(UserError), make(str(tmp_path / name)):
        raise UserError("refused")
    assert capsys.readouterr() == ("", "")


def test_another_error_leaves_the_images_that_are_done(tmp_path):
    make, ids, name, _ = KINDS["image"]
    with pytest.raises(MemoryError), make(str(tmp_path / name)) as output:
        output.add([row(ids)])
        raise MemoryError
    assert Image.open(tmp_path / name).size == (2, 2)


def test_the_picture_of_a_performance_says_who_drew_it(tmp_path, monkeypatch):
    titles = []

    def draw(notes, seconds, title):
        titles.append(title)
        return b"a picture"

    monkeypatch.setattr(music_output.piano_roll, "draw", draw)
    with MusicOutput(str(tmp_path / "x.wav"), 1, "Drawn by music, step 3") as output:
        output.add([row([performance_codec.NOTE_ON + 60])])
    assert titles == ["Drawn by music, step 3, seed 0"]
