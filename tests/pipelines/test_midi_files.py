import random
import struct

import numpy as np
import pytest
from hypothesis import given

from keras_perceiver_ar.codecs import performance_codec
from keras_perceiver_ar.codecs.notes import NOTE
from pipelines import midi_files
from pipelines.errors import UserError
from tests.keras_perceiver_ar.codecs.performances import performance, performances

# At 480 ticks a quarter and the 120 quarters a minute of a file that names no tempo.
TICKS_PER_SECOND = 960


def on(pitch, velocity=64, channel=0):
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch, channel=0):
    return bytes([0x80 | channel, pitch, 0])


def control(number, value, channel=0):
    return bytes([0xB0 | channel, number, value])


def pedal(value, channel=0):
    return control(64, value, channel)


def tempo(microseconds):
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def varying(number):
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))


def track(*events, end=0):
    """Events (ticks since the event before, bytes); `end` ticks later it ends."""
    data = b"".join(varying(ticks) + event for ticks, event in (*events, (end, b"\xff\x2f\x00")))
    return b"MTrk" + struct.pack(">I", len(data)) + data


def midi(*tracks, kind=1, division=480):
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(tracks)


def sounding(*events, end=0):
    """(onset, offset, pitch) in ticks of what is heard of one track."""
    notes = midi_files.read(midi(track(*events, end=end)))
    return [
        (round(n["onset"] * TICKS_PER_SECOND), round(n["offset"] * TICKS_PER_SECOND), n["pitch"])
        for n in notes
    ]


def test_a_note():
    notes = midi_files.read(midi(track((96, on(60, 9)), (480, off(60)))))
    assert notes.dtype == NOTE
    assert notes.tolist() == [(0.1, 0.6, 60, 9)]


def test_tempo_may_change_in_another_track_and_within_a_note():
    changes = track((0, tempo(250_000)), (480, tempo(1_000_000)), (480, tempo(500_000)))
    notes = midi_files.read(midi(changes, track((240, on(60)), (480, off(60)), (480, on(62)))))
    assert notes.tolist() == [(0.125, 0.75, 60, 64), (1.5, 1.5, 62, 64)]


def test_running_status_and_a_note_on_without_velocity():
    data = midi(track((0, on(60)), (480, bytes([62, 70])), (480, bytes([60, 0])), (0, b"\x3e\x00")))
    assert midi_files.read(data).tolist() == [(0.0, 1.0, 60, 64), (0.5, 1.0, 62, 70)]


def test_tracks_and_channels_are_heard_together_percussion_is_not():
    notes = midi_files.read(
        midi(
            track((0, on(60, channel=1)), (0, on(35, channel=9)), (480, off(60, channel=2))),
            track((0, on(60, channel=2)), (960, off(60, channel=1)), (0, off(35, channel=9))),
        )
    )
    assert notes.tolist() == [(0.0, 0.5, 60, 64), (0.0, 1.0, 60, 64)]


def test_the_pedal_holds_what_was_released():
    assert sounding(
        *((0, on(60)), (10, pedal(64)), (10, off(60)), (10, on(62)), (100, pedal(63))),
        (10, off(62)),
    ) == [(0, 130, 60), (30, 140, 62)]
    # At 63 it is up.
    assert sounding((0, pedal(63)), (0, on(60)), (10, off(60)), (50, pedal(0))) == [(0, 10, 60)]
    # Pedals that go from down to further down hold on.
    assert sounding(
        (0, pedal(70)), (0, on(60)), (10, off(60)), (50, pedal(127)), (50, pedal(0))
    ) == [(0, 110, 60)]


def test_the_pedal_holds_a_note_until_it_is_struck_again():
    assert sounding(
        *((0, pedal(127)), (0, on(60)), (10, off(60)), (90, on(60)), (10, off(60))),
        (90, pedal(0)),
    ) == [(0, 100, 60), (100, 200, 60)]


def test_a_pedal_left_down_holds_until_the_file_ends():
    events = ((0, pedal(127)), (0, on(60)), (10, off(60)), (90, pedal(100)))
    assert sounding(*events) == [(0, 100, 60)]
    assert sounding(*events, end=50) == [(0, 150, 60)]


def test_a_pedal_acts_on_every_track_of_its_channel_and_on_no_other():
    notes = midi_files.read(
        midi(
            track((0, pedal(127)), (960, pedal(0))),
            track((0, on(60)), (240, off(60)), (240, b"\xc0\x05"), (0, on(62)), (240, off(62))),
            track((0, on(64, channel=1)), (240, off(64, channel=1))),
        )
    )
    assert notes.tolist() == [
        (0.0, 1.0, 60, 64),
        (0.0, 0.25, 64, 64),
        (0.5, 1.0, 62, 64),
    ]


def test_overlapping_notes_of_a_pitch():
    # The first note-off is that of the first note, which has ended by then.
    assert sounding((0, on(60)), (10, on(60)), (10, off(60)), (10, off(60))) == [
        (0, 10, 60),
        (10, 30, 60),
    ]
    # A note-off may come after the note-on at the same tick, or before it.
    expected = [(0, 10, 60), (10, 20, 60)]
    assert sounding((0, on(60)), (10, on(60)), (0, off(60)), (10, off(60))) == expected
    assert sounding((0, on(60)), (10, off(60)), (0, on(60)), (10, off(60))) == expected
    # Two voices of a chord.
    assert sounding((0, on(60)), (0, on(60)), (10, off(60)), (10, off(60))) == [
        (0, 10, 60),
        (0, 20, 60),
    ]


def test_notes_that_no_note_off_ends():
    assert sounding((0, off(50)), (0, on(60)), (5, on(62)), (5, off(62)), end=30) == [
        (0, 40, 60),
        (5, 10, 62),
    ]


def test_controllers_that_end_notes():
    held = ((0, on(60)), (0, pedal(127)), (0, on(62)), (10, off(62)))
    assert sounding(*held, (10, control(120, 0)), end=50) == [(0, 20, 60), (0, 20, 62)]
    assert sounding(*held, (10, control(123, 0)), (10, pedal(0)), end=50) == [
        (0, 30, 60),
        (0, 30, 62),
    ]
    assert sounding(*held, (10, control(121, 0)), (10, off(60)), end=50) == [
        (0, 30, 60),
        (0, 20, 62),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: copy or export it again"),
        (b"RIFF....", "no whole MIDI file .*copy or export it again"),
        (midi(track((0, on(60)), (480, off(60))))[:-1], "ends too early"),
        (midi(track((0, on(60)), (480, b"\x80\x3c\xff"))), "must be in range 0..127"),
        (midi(), "holds no notes"),
        (midi(track((0, on(35, channel=9)), (9, off(35, channel=9)))), "holds no notes"),
        (midi(track((0, on(60)), (480, off(60))), kind=2), "separate pieces.*type 0 or 1"),
        (midi(track((0, on(60)), (480, off(60))), division=0xE250), "counts no beats"),
        (midi(track((0, on(60)), (480, off(60))), division=0), "counts no beats"),
        (midi(track((2**28 - 1, on(60)), (480, off(60)))), "longer than a day"),
    ],
)
def test_what_is_no_music_is_refused_in_one_line(data, message, tmp_path):
    file = tmp_path / "piece.mid"
    file.write_bytes(data)
    for source, name in ((data, "the MIDI data"), (file, repr(str(file)))):
        with pytest.raises(UserError, match=message) as caught:
            midi_files.read(source)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_too_large_or_a_folder(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="none.mid.*check that it is there"):
        midi_files.read(tmp_path / "none.mid")
    with pytest.raises(UserError, match="check that it is there"):
        midi_files.read(tmp_path)
    with pytest.raises(UserError, match="nowhere"):
        midi_files.write(performance((0, 1, 60, 64)), tmp_path / "nowhere" / "x.mid")
    monkeypatch.setattr(midi_files, "_MAX_BYTES", 20)
    midi_files.write(performance((0, 1, 60, 64)), tmp_path / "x.mid")
    with pytest.raises(UserError, match="x.mid' is larger than 20 bytes"):
        midi_files.read(tmp_path / "x.mid")


def broken_copies(data, seed):
    """The content cut at every 97th byte, and with a few bytes changed anywhere or in its head."""
    draw = random.Random(seed)
    for length in range(0, len(data), 97):
        yield data[:length]
    for last in (len(data), 60):
        for changes in (1, 3, 30) * 20:
            copy = bytearray(data)
            for _ in range(changes):
                copy[draw.randrange(last)] = draw.randrange(256)
            yield bytes(copy)


def check_that_broken_copies_are_notes_or_one_line(data, seed=0):
    for copy in broken_copies(data, seed):
        try:
            assert len(midi_files.read(copy))
        except UserError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 200


def test_broken_files_end_in_one_line():
    draw = random.Random(1)
    events = [(0, tempo(400_000)), (0, pedal(127))]
    for _ in range(200):
        pitch = draw.randrange(21, 109)
        events += [(draw.randrange(99), on(pitch)), (draw.randrange(999), off(pitch))]
    check_that_broken_copies_are_notes_or_one_line(midi(track(*events)))


@given(performances())
def test_written_notes_are_read_back(tmp_path_factory, notes):
    if not len(notes):
        return
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    notes = notes[np.unique(notes["pitch"], return_index=True)[1]]  # none ends another
    midi_files.write(notes, path)
    read = np.sort(midi_files.read(str(path)), order="pitch")
    assert read["pitch"].tolist() == notes["pitch"].tolist()
    assert read["velocity"].tolist() == notes["velocity"].tolist()
    for name in ("onset", "offset"):
        assert np.abs(read[name] - notes[name]).max() <= 0.001


def test_what_the_codec_decodes_is_written_exactly(tmp_path):
    notes = performance((0.01, 0.02, 60, 1), (0.02, 3.33, 60, 127), (0.02, 100.07, 61, 64))
    ids = performance_codec.encode(notes)
    midi_files.write(performance_codec.decode(ids), tmp_path / "piece.mid")
    read = midi_files.read(tmp_path / "piece.mid")
    assert np.allclose(read["onset"], notes["onset"], rtol=0, atol=1e-9)
    assert np.allclose(read["offset"], notes["offset"], rtol=0, atol=1e-9)
    assert performance_codec.encode(read).tolist() == ids.tolist()


def test_a_written_file_is_the_same_every_time(tmp_path):
    notes = performance((0, 1, 60, 64), (0.5, 2, 60, 65), (0.5, 2, 64, 66))
    midi_files.write(notes, tmp_path / "a.mid")
    midi_files.write(notes[::-1], tmp_path / "b.mid")
    data = (tmp_path / "a.mid").read_bytes()
    assert data == (tmp_path / "b.mid").read_bytes()
    assert data[:14] == b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
    midi_files.write(performance(), tmp_path / "empty.mid")
    with pytest.raises(UserError, match="holds no notes"):
        midi_files.read(tmp_path / "empty.mid")


def recordings(shared):
    files = sorted((shared / "data" / "maestro").glob("*/*.midi"))
    assert len(files) == 48
    return files


@pytest.mark.slow
def test_recordings_survive_the_codec_and_a_file(shared, tmp_path):
    for file in recordings(shared):
        notes = midi_files.read(file)
        ids = performance_codec.encode(notes)
        decoded = performance_codec.decode(ids)
        assert performance_codec.encode(decoded).tolist() == ids.tolist()
        midi_files.write(notes, tmp_path / "copy.mid")
        copy = midi_files.read(tmp_path / "copy.mid")
        for others, limit, of_velocity in ((decoded, 0.010 + 1e-9, 2), (copy, 0.001, 0)):
            assert len(others) == len(notes)
            before, after = (np.sort(n, order=["pitch", "onset"]) for n in (notes, others))
            assert (before["pitch"] == after["pitch"]).all()
            assert np.abs(before["velocity"] - after["velocity"]).max() <= of_velocity
            for name in ("onset", "offset"):
                assert np.abs(before[name] - after[name]).max() <= limit, file


def test_broken_recordings_end_in_one_line(shared):
    smallest = min(recordings(shared), key=lambda file: file.stat().st_size)
    check_that_broken_copies_are_notes_or_one_line(smallest.read_bytes())
