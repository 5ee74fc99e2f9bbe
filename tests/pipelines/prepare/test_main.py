"""The command, with Apache Beam, as somebody types it."""

import os
import signal
import subprocess
import sys

import pytest

from pipelines.data import ShardsTask
from pipelines.errors import UserError
from pipelines.prepare.__main__ import main
from tests.pipelines import shards


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.prepare", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


def flags(tmp_path, *more):
    return (
        "--dataset=pg19",
        f"--input={tmp_path / 'books'}",
        f"--output={tmp_path / 'out'}",
        "--shard_megabytes=0.0003",
        *more,
    )


@pytest.mark.slow
def test_books_are_prepared_and_looked_at(tmp_path):
    for split, sizes in (("train", (300, 20, 500)), ("validation", (40,))):
        shards.write_books(tmp_path / "books", sizes, split)
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    done = command(*flags(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "820" in done.stdout and "skipped train/bad.txt" in done.stderr
    assert done.stdout.endswith(f"wrote {tmp_path / 'out'}\n")
    shards.prepare(tmp_path / "books", tmp_path / "plain", shard_bytes=0.0003 * 2**20)
    for file in (tmp_path / "plain").iterdir():  # Beam or not, the same bytes
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()
    shown = command("inspect", tmp_path / "out")
    assert shown.returncode == 0 and "820" in shown.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shard_megabytes=0"], "--shard_megabytes must be positive"),
        (["--tokeniser=bytes"], "unknown flag --tokeniser=bytes"),
        (["--tokenizer=morse"], "--tokenizer is bytes, or a model file"),
        (["--dataset=pg18"], "unknown --dataset=pg18"),
        (["--strict"], "is not UTF-8"),
    ],
)
def test_bad_input_is_refused(tmp_path, more, message):
    shards.write_books(tmp_path / "books", (30,))
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match=message):
        main(flags(tmp_path, *more))
    assert not (tmp_path / "out/manifest.json").exists()


@pytest.mark.slow
def test_a_killed_command_leaves_nothing_that_looks_whole(tmp_path):
    shards.write_books(tmp_path / "books", [2000] * 40)
    shards.prepare(tmp_path / "books", tmp_path / "plain", shard_bytes=0.0003 * 2**20)
    running = subprocess.Popen(
        [sys.executable, "-m", "pipelines.prepare", *flags(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None:  # until the first shard is there
        if (tmp_path / "out").is_dir() and any(
            name.endswith(".json") for name in os.listdir(tmp_path / "out")
        ):
            running.send_signal(signal.SIGKILL)
            break
    assert running.wait() == -signal.SIGKILL
    assert not (tmp_path / "out/manifest.json").exists()
    with pytest.raises(ValueError, match="holds no manifest"):
        ShardsTask(tmp_path / "out")
    assert command(*flags(tmp_path)).returncode == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.listdir(tmp_path / "plain"))
    for file in (tmp_path / "plain").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()
