import sys
import wave

import numpy as np
import pytest

from pipelines import sound_files
from pipelines.errors import UserError
from tests.keras_perceiver_ar.codecs.performances import performance

RATE = sound_files.SAMPLES_PER_SECOND


def loudest(sound):
    """Frequency of the strongest wave in a sound of whole seconds, in Hz."""
    return int(np.abs(np.fft.rfft(sound)).argmax()) * RATE // len(sound)


def loudness(sound):
    return float(np.sqrt(np.mean(sound.astype(float) ** 2)))


def test_a_note_sounds_at_its_time_and_pitch():
    sound = sound_files.synthesize(performance((1.0, 2.0, 69, 80)))
    assert sound.dtype == np.int16 and sound.shape == (2 * RATE,)
    assert not sound[:RATE].any()
    assert loudest(sound[RATE:]) == 440
    assert np.abs(sound).max() == round(0.9 * 32767)


def test_a_sound_is_as_long_as_the_performance():
    notes = performance((0.0, 3.25, 60, 1), (0.01, 0.02, 127, 127), (0.5, 1.75, 21, 64))
    assert len(sound_files.synthesize(notes)) == round(3.25 * RATE)


def test_a_note_that_is_struck_harder_is_louder():
    sound = sound_files.synthesize(performance((0.0, 1.0, 60, 100), (1.0, 2.0, 60, 25)))
    assert loudness(sound[:RATE]) == pytest.approx(4 * loudness(sound[RATE:]), rel=1e-3)


@pytest.mark.parametrize("pitch", [100, 115, 127])
def test_no_overtone_comes_back_as_a_lower_sound(pitch):
    sound = sound_files.synthesize(performance((0.0, 1.0, pitch, 100)))
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    below = np.abs(np.fft.rfft(sound))[: int(fundamental * 0.9)]
    assert below.max() < 0.01 * np.abs(np.fft.rfft(sound)).max()


def test_a_file_of_sixteen_bits(tmp_path):
    notes = performance((0.0, 0.5, 60, 64))
    sound_files.write(notes, str(tmp_path / "a.wav"))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, RATE, RATE // 2)
        sound = np.frombuffer(file.readframes(-1), "<i2")
    assert (sound == sound_files.synthesize(notes)).all()
    sound_files.write(performance(), str(tmp_path / "silence.wav"))
    with wave.open(str(tmp_path / "silence.wav")) as file:
        assert file.getnframes() == 0
    with pytest.raises(UserError, match="nowhere"):
        sound_files.write(notes, str(tmp_path / "nowhere/a.wav"))


def test_the_library_that_is_missing_is_named(monkeypatch):
    sound_files.check_library()
    monkeypatch.setitem(sys.modules, "pretty_midi", None)
    with pytest.raises(UserError, match="sound needs pretty_midi: pip install"):
        sound_files.check_library()
