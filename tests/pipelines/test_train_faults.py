"""What goes wrong in the middle of a run is one line, and nothing that was saved is lost."""

import contextlib
import json
import subprocess

import pytest

from pipelines import command_line, evaluate, train
from tests.pipelines import runs

MORE = ("TrainSettings.keep_checkpoints = 99", "STEPS = 60")


def failure(capsys, *flags):
    """The line on stderr of a run that fails, and what it printed before."""
    capsys.readouterr()
    assert runs.call(train.main, *flags) == command_line.FAILED
    captured = capsys.readouterr()
    return runs.error_line(captured.err), captured.out


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own, and a function that mounts it anew with other options."""

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)]
        if (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            pytest.skip(f"this user cannot mount a file system: {done.stderr.strip()}")

    mount("size=400k")
    try:
        yield tmp_path, lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=False)


@pytest.mark.slow
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_disk_that_is_full_is_said_and_the_run_goes_on_once_it_is_not(disk, capsys, asynchronous):
    folder, remount = disk
    flags = runs.copy_flags(*MORE, f"RunConfig.asynchronous = {asynchronous}")
    flags.append(f"--model_dir={folder / 'run'}")
    line, _ = failure(capsys, *flags)
    assert "No space left on device" in line and "the same command goes on" in line
    assert not list(folder.glob("run/*temp*"))
    saved = max(int(path.stem[5:]) for path in folder.glob("run/ckpt-*.index"))
    remount("size=40m")
    assert runs.call(train.main, *flags) == 0
    assert f"step {saved} of 60" in capsys.readouterr().out
    lines = (folder / "run" / "train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 61))


@pytest.mark.slow
def test_a_directory_that_cannot_be_written_is_said(disk, capsys):
    folder, remount = disk
    flags = [*runs.copy_flags(), f"--model_dir={folder / 'run'}"]
    remount("size=40m")
    assert runs.call(train.main, *flags) == 0
    remount("ro")
    with contextlib.ExitStack() as stack:
        stack.callback(remount, "rw")
        capsys.readouterr()
        assert runs.call(train.main, *flags, *runs.bind("STEPS = 9")) == command_line.BAD_INPUT
        lines = capsys.readouterr().err.splitlines(keepends=True)
        assert "Read-only file system" in runs.error_line(lines[-1])
        assert all(line.startswith("warning: changed") for line in lines[:-1])
        # Reading needs no writing.
        assert runs.call(evaluate.main, f"--model_dir={folder / 'run'}") == 0


def test_gradients_that_stay_no_numbers_stop_the_run_and_spoil_nothing(tmp_path, capsys):
    # A learning rate without bounds: the second step makes weights, the third no number.
    flags = runs.copy_flags("STEPS = 30", "OptaxAdam.learning_rate = 1e30")
    flags += [*runs.bind("RunConfig.max_skipped_steps = 7"), f"--model_dir={tmp_path}"]
    line, out = failure(capsys, *flags)
    assert "gradients of 7 steps in a row, up to step" in line
    assert "steps skipped" in out
    log = [json.loads(line) for line in (tmp_path / "train_log.jsonl").read_text().splitlines()]
    skipped = [record["step"] for record in log if record["skipped"]]
    assert len(skipped) >= 7 and all(record["gradient_norm"] is None for record in log[-7:])
    for values in runs.saved_values(tmp_path, 3).values():
        assert (values == values).all()


def test_a_loss_that_diverges_gives_one_alarm(tmp_path, capsys):
    flags = runs.copy_flags("STEPS = 18", "OptaxAdam.learning_rate = 1.0")
    assert runs.call(train.main, *flags, f"--model_dir={tmp_path}") == 0
    alarms = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ALARM")]
    assert alarms and "the loss diverges" in alarms[0]


def test_what_changed_since_the_last_start_is_said_or_refused(tmp_path, capsys):
    flags = [*runs.copy_flags(), f"--model_dir={tmp_path}"]
    assert runs.call(train.main, *flags) == 0
    capsys.readouterr()
    changed = ("STEPS = 7", "BATCH_SIZE = 8", "TrainSettings.clip_norm = 2.0")
    assert runs.call(train.main, *flags, *runs.bind(*changed)) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == [
        "warning: changed since the last start: BATCH_SIZE = 8 (was 4)",
        "warning: changed since the last start: STEPS = 7 (was 6)",
        "warning: changed since the last start: TrainSettings.clip_norm = 2.0 (was 1.0)",
    ]
    assert runs.call(train.main, *flags, *runs.bind(*changed)) == 0
    assert capsys.readouterr().err == ""
    refused = runs.bind("PerceiverARBackbone.width = 32")
    assert "width is 16 there and 32 now" in runs.refusal(capsys, train.main, *flags, *refused)
