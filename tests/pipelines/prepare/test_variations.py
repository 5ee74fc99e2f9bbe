import numpy as np
import pytest

from keras_perceiver_ar.codecs import performance_codec
from pipelines import midi_files
from pipelines.errors import UserError
from pipelines.prepare import documents, encoders, job, variations
from pipelines.prepare.__main__ import main
from tests.pipelines.prepare.test_encoders import write_music
from tests.pipelines.shards import records


def prepared(tmp_path, semitones, factors, strict=False):
    """Notes of every record, by name; and the manifest."""
    found = documents.find("maestro", str(tmp_path / "music"))
    found["train"] = variations.vary(found["train"], semitones, factors)
    encoder = encoders.make_encoder("maestro")
    made = job.prepare(
        "maestro",
        found,
        encoder,
        str(tmp_path / "out"),
        shard_bytes=300,
        seed=0,
        strict=strict,
        write_all=lambda plans: [job.write(plan, encoder) for plan in plans],
    )
    return {
        (split, name): performance_codec.decode(ids)
        for split, name, ids in records(tmp_path / "out", made)
    }, made


def test_every_key_at_every_pace_of_the_training_split_alone(tmp_path):
    write_music(tmp_path / "music")
    found, made = prepared(tmp_path, 1, [0.5, 2.0])
    assert len(found) == 2 * 9 + 1
    numbers = {split: sum(s.documents for s in shards) for split, shards in made.splits.items()}
    assert numbers == {"train": 18, "validation": 1}
    original = midi_files.read(tmp_path / "music/2004/0.midi")
    for key in (-1, 0, 1):
        for pace in (0.5, 1.0, 2.0):
            name = "2004/0.midi"
            if (key, pace) != (0, 1.0):
                name += f" ({key:+} semitones, ×{pace:g})"
            notes = found["train", name]
            np.testing.assert_array_equal(notes["pitch"], original["pitch"] + key)
            np.testing.assert_allclose(notes["onset"], original["onset"] * pace, atol=0.0051)
            np.testing.assert_allclose(notes["offset"], original["offset"] * pace, atol=0.0051)


def test_a_key_that_leaves_the_piano_is_named(tmp_path):
    write_music(tmp_path / "music")
    path = tmp_path / "music/2004/0.midi"
    notes = midi_files.read(path)
    notes["pitch"] += 40  # to 107; 108 is the last key
    midi_files.write(notes, path)
    found, made = prepared(tmp_path, 2, [])
    skipped = [name for shard in made.splits["train"] for name in shard.skipped]
    assert skipped == ["2004/0.midi (+2 semitones, ×1)"]
    assert len(found) == 2 * 5 - 1 + 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--transpose=13"], "--transpose must be an integer ≥ 0 and ≤ 12, got 13"),
        (["--transpose=-1"], "--transpose"),
        (["--stretch=0"], "--stretch must be a finite number ≥ 0.1, got 0.0"),
        (["--stretch=11"], "--stretch can be at most 10.0, got 11.0"),
        (["--stretch=nan"], "--stretch"),
        (["--stretch=1"], "--stretch names a factor twice, or 1"),
        (["--stretch=2,2"], "--stretch names a factor twice"),
        (["--dataset=text", "--transpose=1"], "--dataset=maestro alone"),
    ],
)
def test_bad_flags(tmp_path, flags, message):
    write_music(tmp_path / "music")
    places = [f"--input={tmp_path / 'music'}", f"--output={tmp_path / 'out'}"]
    with pytest.raises(UserError, match=message):
        main(["--dataset=maestro", *places, *flags])
    assert not (tmp_path / "out").exists()


def test_what_is_no_number(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--dataset=maestro", "--input=a", "--output=b", "--stretch=fast"])
    assert "--stretch" in capsys.readouterr().err
