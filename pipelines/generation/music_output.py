"""Performances in files."""

from keras_perceiver_ar.codecs import performance_codec
from pipelines import midi_files, piano_roll, sound_files
from pipelines.atomic_files import write_bytes
from pipelines.generation.output import Output


class MusicOutput(Output):
    """A MIDI file of each performance; with a `.wav` also its sound and a picture of its notes.

    Each performance is there when its batch is done.

    Args:
        path: str. `.mid`, or `.wav`: the others are written beside it. Several performances are
            numbered, `x-1.mid` and so on.
        num_rows: int.
        title: str or None. Of the pictures: by which model performances are drawn, and how.

    Raises:
        UserError: a library is missing that sound or picture need.
    """

    def __init__(self, path, num_rows, title=None):
        self._base, self._suffix = path[:-4], path[-4:]
        self._num_rows, self._number = num_rows, 0
        self._title = title
        if self._suffix == ".wav":
            sound_files.check_library()
            piano_roll.check_library()

    def __exit__(self, kind, error, trace):
        self.say_cut(error, self._number, "performance")

    def add(self, batch):
        for drawn in batch:
            self._number += 1
            base = self._base + (f"-{self._number}" if self._num_rows > 1 else "")
            self._write(drawn, base)

    def _write(self, drawn, base):
        notes = performance_codec.decode(drawn.token_ids)
        midi_files.write(notes, f"{base}.mid")
        written = [f"{base}.mid"]
        if self._suffix == ".wav":
            sound_files.write(notes, f"{base}.wav")
            prompt_seconds = float(performance_codec.times(drawn.row.token_ids)[-1])
            write_bytes(
                f"{base}.png", piano_roll.draw(notes, prompt_seconds, self._title_of(drawn))
            )
            written = [f"{base}.wav", *written, f"{base}.png"]
        for path in written:
            self.say_written(path)

    def _title_of(self, drawn):
        if self._title is None:
            return None
        return self._title + ("" if drawn.seed is None else f", seed {drawn.seed}")
