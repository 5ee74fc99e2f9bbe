import sys

import numpy as np
import pytest

import pipelines
from keras_perceiver_ar.codecs import performance_codec
from pipelines import midi_files, piano_roll
from pipelines.errors import UserError
from pipelines.experiment import mel_spectrogram, performance_files
from tests.pipelines.experiment.test_performance_statistics import notes_of

NOTES = notes_of((0, 64, 128), (64, 64, 64), (60, 64, 67), (66, 66, 66))
ENDS = (".mid", ".wav", "_roll.png")


def test_a_performance_is_written_in_all_ways(tmp_path):
    said = []
    ids = np.concatenate([[2], performance_codec.encode(NOTES), [1, 0, 0]]).astype(np.int32)
    performance_files.write(ids, 4, tmp_path / "a", said.append, "a title")
    assert {f"a{end}" for end in ENDS} <= {file.name for file in tmp_path.iterdir()}
    assert midi_files.read(tmp_path / "a.mid")["pitch"].tolist() == [60, 64, 67]
    assert said[-1].startswith("wrote ") and all(f"a{end}" in said[-1] for end in ENDS)


def test_the_picture_has_the_title(tmp_path, monkeypatch):
    titles = []

    def draw(notes, seconds, title):
        titles.append(title)
        return b"a picture"

    monkeypatch.setattr(piano_roll, "draw", draw)
    ids = np.concatenate([[2], performance_codec.encode(NOTES), [1]]).astype(np.int32)
    performance_files.write(ids, 4, tmp_path / "a", print, "a title")
    assert titles == ["a title"] and (tmp_path / "a_roll.png").read_bytes() == b"a picture"


def test_sound_that_cannot_be_drawn_is_told_of(monkeypatch):
    said = []
    monkeypatch.setattr(mel_spectrogram, "_audio", lambda: None)
    assert performance_files.can_draw_sound(said.append) and said == []

    def refuse():
        raise UserError("install it")

    monkeypatch.setattr(mel_spectrogram, "_audio", refuse)
    assert not performance_files.can_draw_sound(said.append)
    assert said == ["no pictures of the sound are drawn: install it"]


def test_sound_is_drawn_where_it_is_asked_for(tmp_path, monkeypatch):
    drawn, said = [], []
    monkeypatch.setattr(mel_spectrogram, "draw", lambda *given: drawn.append(given[1:]))
    ids = np.concatenate([[2], performance_codec.encode(NOTES), [1]]).astype(np.int32)
    performance_files.write(ids, 4, tmp_path / "a", said.append, "a title", with_mel=True)
    (given,) = drawn
    assert given[1:2] + given[3:] == (tmp_path / "a_mel.png", "a title")
    assert said[-1].endswith("a_mel.png")


def test_silence_is_told_of(tmp_path):
    said = []
    performance_files.write(
        np.array([2, 1, 0], np.int32), 1, tmp_path / "a", said.append, "a title"
    )
    assert said == ["a holds no notes: nothing is written of it"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", ["mido", "pretty_midi"])
def test_what_to_install_is_said(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "pipelines.midi_files")
    monkeypatch.delattr(pipelines, "midi_files")
    with pytest.raises(UserError, match=rf"{library}.*pip install -e '\.\[prepare\]'"):
        performance_files.write(np.array([2], np.int32), 1, tmp_path / "a", print, "a title")
