import subprocess
import sys

import pytest

import gin
from pipelines import demo
from pipelines.errors import UserError
from tests.pipelines import runs


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match=str(tmp_path)):
        demo._clear(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_only_an_earlier_demonstration_is_removed(tmp_path):
    output = tmp_path / "new" / "copy"
    demo._clear(output)
    (output / "model").mkdir()
    (tmp_path / "new" / "neighbour.txt").write_text("mine")
    demo._clear(output)
    assert [path.name for path in output.iterdir()] == [".perceiver_ar_demo"]
    assert (tmp_path / "new" / "neighbour.txt").read_text() == "mine"


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file"):
        demo._clear(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def commands(monkeypatch):
    """Commands that the demonstration starts, recorded and not run."""
    started = []

    def run(command, **_):
        started.append(command)
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr(subprocess, "run", run)
    return started


def test_a_text_folder_that_is_not_there_is_refused_and_costs_nothing(tmp_path, commands, capsys):
    demo._clear(tmp_path / "text")
    (tmp_path / "text" / "earlier.txt").write_text("an earlier demonstration")
    flags = ["--text=/no/such/folder", f"--output={tmp_path}"]
    assert "/no/such/folder" in runs.refusal(capsys, demo.main, *flags)
    assert not commands
    assert (tmp_path / "text" / "earlier.txt").exists()


@pytest.mark.parametrize("text", [False, True])
def test_a_stage_that_fails_ends_the_demonstration_with_its_status(tmp_path, commands, text):
    folder = tmp_path / 'it\'s "quoted"'
    folder.mkdir()
    flags = [f"--output={tmp_path / 'demo'}", *([f"--text={folder}"] if text else [])]
    assert runs.call(demo.main, *flags) == 7
    (command,) = commands
    run = "text_tiny" if text else "copy_32_tiny"
    assert command[:4] == [
        sys.executable,
        "-m",
        "pipelines.train",
        f"--gin_file=gin/runs/{run}.gin",
    ]
    if text:
        gin.parse_config(command[4].removeprefix("--gin_bindings="))
        assert gin.query_parameter("DATA/macro.value") == str(folder)
        gin.clear_config()
