"""Training performances in other keys and at other paces, each a document of its own."""

from typing import NamedTuple

from keras_perceiver_ar.codecs import performance_augmentation
from pipelines.checks import check_integer, check_number
from pipelines.command_line import user_errors
from pipelines.errors import UserError
from pipelines.prepare.documents import Document

_MOST_SEMITONES = 12
# Beyond, 10 ms are no longer short beside a note, or long beside a pause.
_PACES = (0.1, 10.0)


class Variation(NamedTuple):
    """A performance, transposed and stretched.

    Attributes:
        name: str. The document's, and what was changed.
        document: `Document`.
        semitones: int. Upwards.
        factor: float. Above 1 is slower.
    """

    name: str
    document: Document
    semitones: int
    factor: float

    @property
    def version(self):
        """As of the document, and what was changed."""
        return *self.document.version, self.semitones, self.factor

    @property
    def size(self):
        """As of the document."""
        return self.document.size

    def each(self):
        """Itself alone, as a `Document` has it."""
        return (self,)

    def notes(self):
        """Records (N,) of notes.

        Raises:
            UserError: a note would leave the keyboard, or the file cannot be read.
        """
        notes = self.document.notes()
        with user_errors(ValueError, hint=f" ({self.name})"):
            notes = performance_augmentation.transpose(notes, self.semitones)
            return performance_augmentation.stretch(notes, self.factor)


def vary(documents, semitones=0, factors=()):
    """Every document as it is, and in every other key and pace.

    Args:
        documents: list of `Document`, of music.
        semitones: int. The keys are those of −semitones … semitones.
        factors: list of float. The paces besides that of the document itself.

    Returns:
        list of `Document` and `Variation`.

    Raises:
        UserError: more than an octave, a factor that is not above 0, or one that comes twice.
    """
    check_integer("--transpose", semitones, least=0, most=_MOST_SEMITONES)
    paces = [1.0, *factors]
    for factor in factors:
        check_number("--stretch", factor, least=_PACES[0])
        if factor > _PACES[1]:
            raise UserError(f"--stretch can be at most {_PACES[1]}, got {factor}")
    if len(set(paces)) < len(paces):
        raise UserError("--stretch names a factor twice, or 1, which is there in any case")
    changes = [
        (key, pace)
        for pace in paces
        for key in range(-semitones, semitones + 1)
        if (key, pace) != (0, 1.0)
    ]
    varied = list(documents)
    for document in documents:
        for key, pace in changes:
            name = f"{document.name} ({key:+} semitones, ×{str(pace).removesuffix('.0')})"
            varied.append(Variation(name, document, key, pace))
    return varied
