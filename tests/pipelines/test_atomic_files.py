import os
import subprocess
import sys

import pytest

from pipelines import atomic_files
from pipelines.errors import UserError
from tests.pipelines import runs

# A process whose files cannot grow beyond 1000 bytes, as on a disk that is full.
FULL = """
import resource
import sys
import numpy as np
from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.codecs.notes import make_notes
from pipelines import atomic_files, command_line, image_files, midi_files, sound_files
from pipelines.generation.batches import Drawn
from pipelines.generation.json_output import JsonOutput
from pipelines.generation.prompts import Row
from pipelines.generation.text_output import TextOutput

folder = sys.argv[1]

def drawn(length):
    row = Row(np.array([2], np.int32))
    return Drawn(row, 0, byte_codec.encode("a" * length), np.zeros(length, np.float32))

def fill(output, *lengths):
    with output:
        for length in lengths:
            output.add([drawn(length)])

noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
many = np.arange(500)
notes = make_notes(many, many + 0.5, many % 100, many % 100 + 1)
jobs = {
    "a.txt": lambda path: fill(TextOutput(byte_codec.decode, 1, path), 2000),
    "a.jsonl": lambda path: fill(JsonOutput(byte_codec.decode, path), 2000),
    "a.png": lambda path: image_files.write_grid(noise, path),
    "a.mid": lambda path: midi_files.write(notes, path),
    "a.wav": lambda path: sound_files.write(notes[:1], path),
    "later.jsonl": lambda path: fill(JsonOutput(byte_codec.decode, path), 100, 2000),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for name, job in jobs.items():
    try:
        with command_line.one_line_errors():
            job(f"{folder}/{name}")
    except SystemExit as ended:
        assert ended.code == 2, name
    else:
        raise AssertionError(name)
"""


def test_a_full_disk_leaves_the_file_of_before(tmp_path):
    names = ["a.txt", "a.jsonl", "a.png", "a.mid", "a.wav", "later.jsonl"]
    for name in names:
        (tmp_path / name).write_text("of before")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=runs.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith("error: ") and str(tmp_path / name) in line
        assert atomic_files.UNFINISHED not in line
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).read_text() == "of before" for name in names[:-1])
    lines = (tmp_path / "later.jsonl").read_text().splitlines()  # of the batch that was done
    assert len(lines) == 1 and f'"{"a" * 100}"' in lines[0]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "file").write_text("of before")
    (tmp_path / "link").symlink_to("file")
    atomic_files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"


def test_a_device_stays_one():
    atomic_files.write_text(os.devnull, "new")
    assert not os.path.isfile(os.devnull)
    with pytest.raises(UserError, match="/dev/full"):
        atomic_files.write_text("/dev/full", "new")


def test_what_is_open_already_gets_the_content(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        atomic_files.write_text(f"/dev/fd/{file.fileno()}", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_a_name_that_the_locale_could_not_decode(tmp_path):
    path = f"{tmp_path}/größe".encode().decode("ascii", "surrogateescape")
    atomic_files.write_text(path, "a")
    atomic_files.append_bytes(path, b"b")
    assert (tmp_path / "größe").read_text() == "ab"


def test_places_of_files_are_looked_at_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "none/x")
    for path in ("there", "new", str(tmp_path / "new"), "/dev/null", "/dev/stdout", "gs://b/x"):
        atomic_files.check_place("--output", path)
    for path, reason in (
        (".", "it is a folder"),
        ("none/x", "there is no folder '.*none'"),
        ("link", "there is no folder '.*none'"),
        ("there/x", "there is no folder '.*there'"),
    ):
        with pytest.raises(UserError, match=f"--output: cannot write '{path}': {reason}"):
            atomic_files.check_place("--output", path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="'new': no files can be written to"):
        atomic_files.check_place("--output", "new")
    assert sorted(os.listdir()) == ["link", "there"]
