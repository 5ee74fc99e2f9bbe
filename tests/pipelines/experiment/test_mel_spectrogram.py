import sys

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import UserError
from pipelines.experiment import mel_spectrogram

RATE = 44_100


def tone():
    """Half a second of 440 Hz, and as much silence."""
    times = np.arange(RATE) / RATE
    wave = np.where(times < 0.5, np.sin(2 * np.pi * 440 * times), 0)
    return np.rint(wave * 20_000).astype(np.int16)


@pytest.fixture
def tensorflow_io():
    pytest.importorskip("tensorflow_io", reason="an extra: pip install -e '.[io]'")


def test_a_tone_is_loudest_where_the_scale_has_it(tensorflow_io):
    loudness = mel_spectrogram.compute(tone(), RATE)
    assert loudness.shape == (44, 96) and loudness.dtype == np.float32
    low, high, wanted = (2595 * np.log10(1 + hertz / 700) for hertz in (27.5, 8000, 440))
    band = (wanted - low) / (high - low) * 97 - 1  # of 96 bands that overlap by half
    assert (abs(loudness[:18].argmax(axis=1) - band) < 1).all()
    assert np.ptp(loudness) == pytest.approx(80)  # silence is as far below as is shown
    assert (loudness[30:] == loudness.min()).all()


def test_the_picture_is_there(tensorflow_io, tmp_path):
    mel_spectrogram.draw(tone(), RATE, tmp_path / "mel.png", primer_seconds=0.2)
    with Image.open(tmp_path / "mel.png") as image:
        assert image.width > 800
    assert [file.name for file in tmp_path.iterdir()] == ["mel.png"]


def test_what_to_install_is_said(monkeypatch):
    for name in ("tensorflow_io", "tensorflow_io.python", "tensorflow_io.python.api"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"need tensorflow-io.*pip install -e '\.\[io\]'"):
        mel_spectrogram.check_library()
