"""A performance in files to be heard and looked at. What it needs is imported when it is needed."""

from keras_perceiver_ar.codecs import performance_codec
from pipelines.errors import UserError


def can_draw_sound(say):
    """Whether there is tensorflow-io for pictures of sound; says what to install where it is not.

    Args:
        say: function of a line.
    """
    from pipelines.experiment import mel_spectrogram

    try:
        mel_spectrogram.check_library()
    except UserError as error:
        say(f"no pictures of the sound are drawn: {error}")
        return False
    return True


def write(token_ids, given, base, say, title, with_mel=False):
    """Writes BASE.mid, BASE.wav, BASE_roll.png and, where it is asked for, BASE_mel.png.

    Args:
        token_ids: int32 (T,). SOS first; 0 behind the end.
        given: int. Events of a primer, SOS counted, which the pictures mark.
        base: path without a suffix.
        say: function of a line.
        title: str. Of the pictures: what this performance is and where it is from.
        with_mel: bool. Whether to draw the sound; see `can_draw_sound`.

    Raises:
        UserError: a library is missing, or a file cannot be written.
    """
    midi_files, sound_files, piano_roll, write_bytes = _libraries()
    notes = performance_codec.decode(token_ids)
    if not len(notes):
        say(f"{base.name} holds no notes: nothing is written of it")
        return
    primer_seconds = float(performance_codec.times(token_ids[:given])[-1])
    files = [base.with_name(base.name + end) for end in (".mid", ".wav", "_roll.png")]
    midi_files.write(notes, files[0])
    sound_files.write(notes, files[1])
    write_bytes(files[2], piano_roll.draw(notes, primer_seconds, title))
    if with_mel:
        from pipelines.experiment import mel_spectrogram

        files.append(base.with_name(base.name + "_mel.png"))
        sound = sound_files.synthesize(notes)
        rate = sound_files.SAMPLES_PER_SECOND
        mel_spectrogram.draw(sound, rate, files[-1], primer_seconds, title)
    say(f"wrote {', '.join(str(file) for file in files)}")


def _libraries():
    try:
        from pipelines import midi_files, piano_roll, sound_files
        from pipelines.atomic_files import write_bytes
    except ImportError as error:
        raise UserError(
            f"notes and sound need {error.name}: pip install -e '.[prepare]', or leave --show out "
            "here and give the same command, with the same --output, where it is"
        ) from error
    sound_files.check_library()
    piano_roll.check_library()
    return midi_files, sound_files, piano_roll, write_bytes
