"""Sound of notes, as WAV files.

Made by pretty_midi out of sine waves, which needs no recordings of an instrument (a sound font) and
no library beside NumPy.
"""

import io
import wave

import numpy as np

from pipelines.atomic_files import write_bytes
from pipelines.errors import UserError

SAMPLES_PER_SECOND = 44_100
# Of a string, after the fundamental: what each overtone has of its loudness.
_OVERTONES = (0.5, 0.3, 0.15, 0.08, 0.04)
_PEAK = 0.9  # of what 16 bits hold


def check_library():
    """Refuses to go on without pretty_midi.

    Raises:
        UserError: it is not installed.
    """
    try:
        import pretty_midi  # noqa: F401
    except ImportError as error:
        raise UserError(
            "sound needs pretty_midi: pip install -e '.[prepare]' (or pretty_midi alone), or give "
            "--output=FILE.mid"
        ) from error


def synthesize(notes):
    """Sound of notes.

    Args:
        notes: records (N,) of dtype `keras_perceiver_ar.codecs.notes.NOTE`.

    Returns:
        int16 (S,): one channel of `SAMPLES_PER_SECOND`, from the start of the performance to the
        end of its last note, the loudest sample at nine tenths of what can be.
    """
    import pretty_midi

    piano = pretty_midi.Instrument(program=0)
    for note in notes:
        piano.notes.append(
            pretty_midi.Note(
                velocity=int(note["velocity"]),
                pitch=int(note["pitch"]),
                start=float(note["onset"]),
                end=float(note["offset"]),
            )
        )
    # It adds a second of silence.
    seconds = float(notes["offset"].max(initial=0.0))
    sound = piano.synthesize(SAMPLES_PER_SECOND, _string)[: round(seconds * SAMPLES_PER_SECOND)]
    peak = np.abs(sound).max(initial=0.0)
    return np.rint(sound * (_PEAK * 32767 / peak if peak else 0.0)).astype(np.int16)


def write(notes, path):
    """Writes the sound of notes as a WAV file of 16 bits, whole or not at all; see `synthesize`.

    Raises:
        UserError: it cannot be written.
    """
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_PER_SECOND)
        file.writeframes(synthesize(notes).astype("<i2").tobytes())
    write_bytes(path, stream.getvalue())


def _string(phase):
    """A wave with overtones, of a phase that rises evenly; none that the samples cannot hold."""
    step = phase[1] - phase[0] if len(phase) > 1 else np.pi
    sound = np.sin(phase)
    for number, loudness in enumerate(_OVERTONES, 2):
        if number * step < np.pi:
            sound += loudness * np.sin(number * phase)
    return sound
