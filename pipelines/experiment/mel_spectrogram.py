"""A picture of sound: time from left to right, pitch from below, loudness as shade.

Computed by tensorflow-io, of whose audio functions these are made of TensorFlow's own ops: its
native libraries do not load on TensorFlow 2.17 and later.
"""

import textwrap
import warnings

import numpy as np

from pipelines.errors import UserError
from pipelines.experiment import pictures

_WINDOW = 4096  # samples: 93 ms at 44.1 kHz; a shorter one would leave low bands empty
_STRIDE = 1024
_MELS = 96
_LOWEST, _HIGHEST = 27.5, 8000.0  # Hz; the lowest key of a piano, and above its overtones
_LEAST_DB = 80.0  # below the loudest


def check_library():
    """Refuses to go on without tensorflow-io.

    Raises:
        UserError: it is not installed, or not for this TensorFlow.
    """
    _audio()


def compute(sound, samples_per_second):
    """Loudness of sound in time and pitch.

    Args:
        sound: int16 (S,).
        samples_per_second: int.

    Returns:
        float32 (F, 96), dB, F = ⌈S / 1024⌉ frames; the least is 80 below the greatest.

    Raises:
        UserError: as `check_library`.
    """
    audio = _audio()
    waves = (sound / 32768).astype(np.float32)
    magnitudes = audio.spectrogram(waves, nfft=_WINDOW, window=_WINDOW, stride=_STRIDE)
    mels = audio.melscale(
        magnitudes, rate=samples_per_second, mels=_MELS, fmin=_LOWEST, fmax=_HIGHEST
    )
    return audio.dbscale(mels, top_db=_LEAST_DB).numpy()


def draw(sound, samples_per_second, path, primer_seconds=0.0, title=None):
    """Draws a PNG file of `compute`.

    Args:
        sound: int16 (S,).
        samples_per_second: int.
        path: path.
        primer_seconds: float. What comes before is marked as the primer; 0 marks nothing.
        title: str or None. What this sound is and where it is from.

    Raises:
        UserError: as `check_library`, or no matplotlib.
    """
    loudness = compute(sound, samples_per_second)
    figure = pictures.figure(8, 4)
    panel = figure.subplots()
    length = len(loudness) * _STRIDE / samples_per_second
    image = panel.imshow(
        loudness.T - loudness.max(),
        origin="lower",
        aspect="auto",
        extent=(0, length, 0, _MELS),
        cmap="magma",
        vmin=-_LEAST_DB,
        vmax=0,
    )
    figure.colorbar(image, label="dB below the loudest")
    marks = np.array([110, 220, 440, 880, 1760, 3520, 7040])
    low, high = _mel(_LOWEST), _mel(_HIGHEST)
    panel.set_yticks((_mel(marks) - low) / (high - low) * _MELS, [str(mark) for mark in marks])
    panel.set(xlabel="seconds", ylabel="Hz (mel scale)", title="Mel spectrogram")
    if title:
        figure.suptitle(textwrap.fill(title, 90), fontsize=9)
    if primer_seconds:
        panel.axvline(primer_seconds, color="white", linestyle="--")
        place = primer_seconds, 0.95 * _MELS
        panel.annotate("primer ", place, color="white", horizontalalignment="right")
    pictures.save(figure, path)


def _mel(hertz):
    """As tensorflow-io has it, which is HTK's."""
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def _audio():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its native libraries, which this does not use
            from tensorflow_io.python.api import audio
    except (ImportError, NotImplementedError) as error:
        raise UserError(
            "mel spectrograms need tensorflow-io, beside TensorFlow: pip install -e '.[io]' "
            f"({type(error).__name__}: {str(error).splitlines()[0]})"
        ) from error
    return audio
