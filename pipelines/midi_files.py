"""Notes from and to MIDI files, local or remote.

Parsed by mido, message by message: symusic and pretty_midi pair notes by themselves and do not say
on which channel a note or a pedal was, so that a pedal written in another track than the notes is
lost. mido is Python, so no broken file ends the process.
"""

import collections
import dataclasses
import io
import itertools

import mido
import numpy as np

from keras_perceiver_ar.codecs.notes import check_notes, end_at_restrike, make_notes
from pipelines import remote
from pipelines.atomic_files import write_bytes
from pipelines.command_line import one_line
from pipelines.errors import UserError

PERCUSSION = 9  # the tenth channel of General MIDI
_SUSTAIN, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, 123
_SUSTAIN_IS_DOWN = 64
_DEFAULT_TEMPO = 500_000  # µs per quarter note
# Two ticks per millisecond at that tempo: the 10 ms of the performance codec are whole ticks.
_TICKS_PER_QUARTER = 1000
_TICKS_PER_SECOND = 2000
_MAX_BYTES = 2**24
_MAX_SECONDS = 24 * 3600


def read(source):
    """Notes of a MIDI file as they sound, those of all tracks and channels together.

    A note released while the sustain pedal of its channel is down (controller 64 at 64 or more)
    sounds until the pedal goes up. On a channel, as on a piano, a pitch that is struck again ends
    the note before, whether a pedal or a key held it. A note-off belongs to the first note-on of
    its channel and pitch that has none yet. What still sounds at the end of the file ends there.
    Percussion (channel 10) is left out.

    Args:
        source: str or path of a file of type 0 or 1, local or remote, or its content as bytes.

    Returns:
        records (N,) of dtype `keras_perceiver_ar.codecs.notes.NOTE`, sorted, N ≥ 1.

    Raises:
        UserError: it cannot be read, is no whole MIDI file, or holds no notes.
    """
    data, name = _content(source)
    if not data:
        raise UserError(f"{name} is empty: copy or export it again")
    try:
        # It raises EOFError, OSError, ValueError, IndexError …, as the bytes will have it.
        file = mido.MidiFile(file=io.BytesIO(data))
    except Exception as error:
        reason = one_line(error) or "it ends too early"
        raise UserError(
            f"{name} is no whole MIDI file ({reason}): copy or export it again"
        ) from error
    if file.type == 2 or file.ticks_per_beat <= 0:
        what = "its tracks are separate pieces" if file.type == 2 else "it counts no beats"
        raise UserError(f"{name} is MIDI of an unusual kind ({what}): export it as type 0 or 1")
    messages = _in_seconds(file)
    if messages and messages[-1][0] > _MAX_SECONDS:
        raise UserError(f"{name} lasts longer than a day, so it is broken: export it again")
    rows = _sounding(messages)
    if not rows:
        raise UserError(f"{name} holds no notes (percussion does not count): leave it out")
    return make_notes(*(np.array(column) for column in zip(*rows, strict=True)))


def write(notes, path):
    """Writes notes as a MIDI file: type 0, one piano, 120 quarters of 1000 ticks a minute.

    A tick is 0.5 ms. One string per key: a note that still sounds when its pitch is struck again
    ends there, and notes of one pitch and onset become one.

    Args:
        notes: records (N,) of dtype `keras_perceiver_ar.codecs.notes.NOTE`.
        path: str or path, local or remote.

    Raises:
        TypeError: `notes` are no such records.
        UserError: the file cannot be written.
    """
    notes = check_notes(notes)
    times = (np.rint(notes[name] * _TICKS_PER_SECOND) for name in ("onset", "offset"))
    onsets, offsets, pitches, velocities = (
        column.tolist() for column in end_at_restrike(*times, notes["pitch"], notes["velocity"])
    )
    # By tick, note-offs first.
    events = sorted(
        [
            *zip(offsets, itertools.repeat("note_off"), pitches, itertools.repeat(64)),
            *zip(onsets, itertools.repeat("note_on"), pitches, velocities),
        ]
    )
    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=_DEFAULT_TEMPO),
            mido.Message("program_change", program=0),
        ]
    )
    now = 0
    for tick, kind, pitch, velocity in events:
        track.append(mido.Message(kind, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    stream = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=_TICKS_PER_QUARTER, tracks=[track]).save(file=stream)
    write_bytes(path, stream.getvalue())


def _content(source):
    """Bytes of a file, and what to call it in a message."""
    if isinstance(source, bytes):
        return source, "the MIDI data"
    path, hint = str(source), ": check that it is there and may be read"
    return remote.content(path, hint, _MAX_BYTES, "that is no MIDI"), repr(path)


def _in_seconds(file):
    """(seconds, message) of all tracks, in the order in which they are played."""
    in_ticks = []
    for track in file.tracks:
        ticks = itertools.accumulate(message.time for message in track)
        in_ticks.extend(zip(ticks, track, strict=True))
    # Within a tick the order of the tracks, and the order within a track, stay.
    in_ticks.sort(key=lambda pair: pair[0])
    timed, tempo, since, start = [], _DEFAULT_TEMPO, 0, 0.0
    for tick, message in in_ticks:
        # From the last change of tempo, so that rounding does not add up.
        seconds = start + (tick - since) * tempo / (1e6 * file.ticks_per_beat)
        if message.type == "set_tempo":
            tempo, since, start = message.tempo, tick, seconds
        timed.append((seconds, message))
    return timed


def _sounding(messages):
    """Rows (onset, offset, pitch, velocity) of what is heard."""
    channels = collections.defaultdict(_Channel)
    for seconds, message in messages:
        if message.is_meta or getattr(message, "channel", PERCUSSION) == PERCUSSION:
            continue
        channel = channels[message.channel]
        if message.type == "note_on" and message.velocity:
            channel.strike(seconds, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            channel.release(seconds, message.note)
        elif message.type == "control_change":
            channel.control(seconds, message.control, message.value)
    for channel in channels.values():
        channel.silence(messages[-1][0])
    return [row for channel in channels.values() for row in channel.rows]


@dataclasses.dataclass(eq=False)
class _Note:
    onset: float
    velocity: int
    is_held: bool = True  # by its key; if not, by the pedal


class _Channel:
    """What sounds on a channel, and which notes still have a note-off to come."""

    def __init__(self):
        self.rows = []
        self._pedal = False
        self._sounding = collections.defaultdict(set)  # by pitch
        self._unreleased = collections.defaultdict(collections.deque)  # by pitch, oldest first

    def strike(self, seconds, pitch, velocity):
        # Two note-ons at once are two voices of a chord: neither ends the other.
        self._end(seconds, pitch, lambda note: note.onset < seconds)
        note = _Note(seconds, velocity)
        self._sounding[pitch].add(note)
        self._unreleased[pitch].append(note)

    def release(self, seconds, pitch):
        if not self._unreleased[pitch]:
            return
        released = self._unreleased[pitch].popleft()
        released.is_held = False
        if not self._pedal and released in self._sounding[pitch]:
            self._sounding[pitch].remove(released)
            self._add_row(seconds, pitch, released)

    def control(self, seconds, control, value):
        if control == _SUSTAIN:
            self._pedal = value >= _SUSTAIN_IS_DOWN
        elif control == _RESET:
            self._pedal = False
        elif control == _NOTES_OFF:
            for pitch in list(self._unreleased):
                while self._unreleased[pitch]:
                    self.release(seconds, pitch)
        elif control == _SOUND_OFF:
            self.silence(seconds)
        if not self._pedal:
            for pitch in self._sounding:
                self._end(seconds, pitch, lambda note: not note.is_held)

    def silence(self, seconds):
        for pitch in self._sounding:
            self._end(seconds, pitch, lambda note: True)
        self._unreleased.clear()

    def _end(self, seconds, pitch, which):
        ended = [note for note in self._sounding[pitch] if which(note)]
        self._sounding[pitch].difference_update(ended)
        for note in ended:
            self._add_row(seconds, pitch, note)

    def _add_row(self, seconds, pitch, note):
        self.rows.append((note.onset, seconds, pitch, note.velocity))
