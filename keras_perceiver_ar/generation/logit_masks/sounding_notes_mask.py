"""The grammar of a performance: only a note that sounds can end."""

import dataclasses

from keras import ops

from keras_perceiver_ar.codecs import performance_codec
from keras_perceiver_ar.generation.logit_masks.logit_mask import LogitMask


@dataclasses.dataclass(frozen=True)
class SoundingNotesMask(LogitMask):
    """Allows a note-off for pitches that sound, and every other event.

    Args:
        note_on: int. Id of the note-on of pitch 0; by default that of `performance_codec`.
        note_off: int. Id of the note-off of pitch 0.
        pitches: int.
        vocab_size: int. V.
    """

    note_on: int = performance_codec.NOTE_ON
    note_off: int = performance_codec.NOTE_OFF
    pitches: int = performance_codec.NUM_PITCHES
    vocab_size: int = performance_codec.VOCAB_SIZE
    needs_last_places = True

    def __call__(self, history):
        def places(first):
            return history.last_places[:, first : first + self.pitches]

        sounds = places(self.note_on) > places(self.note_off)
        behind = self.vocab_size - self.note_off - self.pitches
        return ops.pad(sounds, [[0, 0], [self.note_off, behind]], constant_values=True)
