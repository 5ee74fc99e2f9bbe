"""What dead exports leave goes, and what a running one writes stays."""

import multiprocessing
import os
import signal

import pytest

from savedmodels import unfinished

FOREIGN = f"{unfinished.PREFIX}{'0' * 32}-{'1' * 32}"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_and_wait(directory, connection):
    """An export that has written half of its version."""
    with unfinished.claimed(directory) as path:
        os.makedirs(f"{path}/variables")
        with open(f"{path}/saved_model.pb", "w") as file:
            file.write("half")
        connection.send(path)
        connection.recv()


@pytest.fixture
def running(tmp_path):
    """A function that starts such an export: its process, its end of a pipe, and its folder."""
    context = multiprocessing.get_context("spawn")
    processes = []

    def start():
        ours, theirs = context.Pipe()
        process = context.Process(target=write_and_wait, args=(str(tmp_path), theirs))
        process.start()
        processes.append(process)
        assert ours.poll(60)
        return process, ours, ours.recv()

    yield start
    for process in processes:
        process.kill()
        process.join()


def test_what_a_killed_export_left_is_removed(tmp_path, running):
    process, _, path = running()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert os.path.exists(f"{path}/saved_model.pb")
    unfinished.clear(str(tmp_path))
    assert names(tmp_path) == []


def test_what_a_running_export_writes_stays(tmp_path, running, capsys):
    process, connection, path = running()
    killed, _, _ = running()
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    unfinished.clear(str(tmp_path))
    assert names(tmp_path) == [os.path.basename(path), os.path.basename(path) + ".lock"]
    with open(f"{path}/saved_model.pb") as file:
        assert file.read() == "half"
    assert capsys.readouterr().err == ""
    connection.send("go on")
    process.join()
    assert names(tmp_path) == []


def test_what_another_machine_writes_stays_and_is_told(tmp_path, capsys):
    # Its lock may not reach this machine: it looks free from here.
    (tmp_path / FOREIGN).mkdir()
    (tmp_path / f"{FOREIGN}.lock").touch()
    (tmp_path / "unfinished-of-old").mkdir()
    unfinished.clear(str(tmp_path))
    assert names(tmp_path) == [FOREIGN, f"{FOREIGN}.lock", "unfinished-of-old"]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and all(line.startswith("warning: ") for line in told)
    assert str(tmp_path / FOREIGN) in told[0] and "runs elsewhere" in told[0]


def test_a_lock_that_was_cleared_away_in_between_is_not_relied_on(tmp_path, monkeypatch):
    lock, seen = unfinished._lock, []

    def cleared_before_it_is_locked(file):
        seen.append(file.name)
        if len(seen) == 1:
            os.remove(file.name)
        return lock(file)

    monkeypatch.setattr(unfinished, "_lock", cleared_before_it_is_locked)
    with unfinished.claimed(str(tmp_path)) as path:
        assert len(seen) == 2 and seen[0] != seen[1] == f"{path}.lock"
        assert names(tmp_path) == [os.path.basename(seen[1])]


def test_a_disk_without_locks_keeps_everything(tmp_path, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError("No locks available")

    monkeypatch.setattr(unfinished.fcntl, "flock", no_locks)
    with unfinished.claimed(str(tmp_path)) as path:
        os.mkdir(path)
        unfinished.clear(str(tmp_path))
        assert os.path.isdir(path)
        assert path in capsys.readouterr().err
    assert names(tmp_path) == []


def test_what_another_person_left_stays_and_is_told(tmp_path, running, monkeypatch, capsys):
    process, _, path = running()
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    def not_permitted(path):
        raise PermissionError(f"Permission denied: {path}")

    monkeypatch.setattr(unfinished.shutil, "rmtree", not_permitted)
    unfinished.clear(str(tmp_path))
    assert os.path.exists(f"{path}.lock")
    assert path in capsys.readouterr().err


def test_what_is_left_of_a_failure_is_removed(tmp_path):
    with pytest.raises(RuntimeError), unfinished.claimed(str(tmp_path)) as path:
        os.makedirs(f"{path}/variables")
        raise RuntimeError("the disk is full")
    assert names(tmp_path) == []
