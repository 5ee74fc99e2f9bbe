"""The command, with Apache Beam, as somebody types it."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from pipelines.data import ShardsTask
from pipelines.errors import UserError
from pipelines.prepare import npy_writer
from pipelines.prepare.__main__ import main
from tests.pipelines import runs, shards


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


@pytest.mark.slow
def test_npy_files_are_prepared_once(tmp_path):
    for split, sizes in (("train", (300, 20, 500)), ("validation", (40,))):
        shards.write_books(tmp_path / "books", sizes, split)
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    done = command(*flags(tmp_path, "--format=npy"))
    assert done.returncode == 0, done.stderr
    assert "820" in done.stdout and "skipped train/bad.txt" in done.stderr
    assert done.stdout.endswith(f"wrote {tmp_path / 'out'}\n")
    whole = {"shard_bytes": 0.0003 * 2**20, "prepare": npy_writer.prepare}
    shards.prepare(tmp_path / "books", tmp_path / "plain", **whole)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.listdir(tmp_path / "plain"))
    for file in (tmp_path / "plain").iterdir():  # Beam or not, the same bytes
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()
    again = command(*flags(tmp_path, "--format=npy"))
    assert (again.returncode, again.stdout) == (0, ""), again.stderr
    assert f"{tmp_path / 'out'} is complete already" in again.stderr
    other = command(*flags(tmp_path, "--format=npy", "--seed=1"))
    assert (other.returncode, other.stdout) == (2, "")
    assert "holds another set of .npy files" in runs.error_line(other.stderr)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shard_megabytes=0"], "--shard_megabytes must be positive"),
        (["--tokeniser=bytes"], "unknown flag --tokeniser=bytes"),
        (["--tokenizer=morse"], "--tokenizer is bytes, or a model file"),
        (["--dataset=pg18"], "unknown --dataset=pg18"),
        (["--strict"], "is not UTF-8"),
        (["--order=raster"], "--order is not of this data .pg19.: leave it out"),
        (
            ["--dataset=imagenet64", "--tokenizer=bytes"],
            "no images|--tokenizer is not of this data",
        ),
        (["--shard_megabytes=nan"], "--shard_megabytes must be positive"),
        (
            ["--format=npy", "--output=gs://bucket/set"],
            "--format=npy writes to a local --output alone, got 'gs://bucket/set': .* local folder",
        ),
    ],
)
def test_bad_input_is_refused(tmp_path, more, message):
    shards.write_books(tmp_path / "books", (30,))
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match=message):
        main(flags(tmp_path, *more))
    assert not (tmp_path / "out/manifest.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "runner",
    [
        ("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        # By Beam's job service, whose protocol Flink's and Spark's speak too.
        ("--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"),
    ],
)
def test_other_runners_write_the_same_bytes(tmp_path, runner):
    shards.write_books(tmp_path / "books", [300] * 5)
    (tmp_path / "books/train/bad.txt").write_bytes(b"\xff")
    done = command(*flags(tmp_path, *runner))
    assert done.returncode == 0, done.stderr
    shards.prepare(tmp_path / "books", tmp_path / "plain", shard_bytes=0.0003 * 2**20)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.listdir(tmp_path / "plain"))
    for file in (tmp_path / "plain").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


@pytest.mark.slow
def test_a_runner_that_cannot_be_had_is_one_line(tmp_path):
    shards.write_books(tmp_path / "books", (30,))
    status, out, err = runs.finish(
        runs.start("pipelines.prepare", *flags(tmp_path, "--runner=NoRunner"))
    )
    assert (status, out) == (2, ""), err
    assert "the runner of --runner=NoRunner stopped (Unexpected pipeline runner" in err


@pytest.mark.slow
def test_a_proxy_is_not_asked_for_this_machine(tmp_path):
    """Nobody listens there: Beam would wait for ever for its own workers."""
    shards.write_books(tmp_path / "books", (30,))
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")
    done = command(*flags(tmp_path), env={**os.environ, **proxies}, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
    """No file of more than 10,000 bytes can be written: the shards cannot, their reports can."""
    shards.write_books(tmp_path / "books", [300, 20_000])
    most = (resource.RLIMIT_FSIZE, (10_000, 10_000))
    done = command(*flags(tmp_path), preexec_fn=lambda: resource.setrlimit(*most))
    assert done.returncode == 2 and done.stdout == ""
    assert "File too large" in runs.error_line(done.stderr)
    assert not (tmp_path / "out/manifest.json").exists()
    assert not [name for name in os.listdir(tmp_path / "out") if "writing" in name]
    done = command(*flags(tmp_path))
    assert done.returncode == 0 and "1 of 2 shards are there already" in done.stderr


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
