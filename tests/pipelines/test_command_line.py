import os
import subprocess
import sys

import pytest

from pipelines import command_line, evaluate, generate, train
from pipelines.errors import RunError, UserError
from savedmodels import export
from tests.pipelines import runs

COMMANDS = {
    "pipelines.train": train.main,
    "pipelines.evaluate": evaluate.main,
    "pipelines.generate": generate.main,
    "savedmodels.export": export.main,
}


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (143, 143)])
def test_the_status_is_what_the_command_returns(returned, status):
    with pytest.raises(SystemExit) as ended:
        command_line.run(lambda: returned)
    assert ended.value.code == status


@pytest.mark.parametrize(("kind", "status"), [(UserError, 2), (RunError, 1)])
def test_an_error_that_a_person_should_see_is_one_line(capsys, kind, status):
    def main():
        raise kind("a folder\n  that is not there\x1b[2J")

    with pytest.raises(SystemExit) as ended:
        command_line.run(main)
    assert ended.value.code == status
    assert capsys.readouterr() == ("", "error: a folder that is not there\\x1b[2J\n")


def test_a_mistake_in_the_program_is_not_hidden():
    def main():
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        command_line.run(main)


def test_only_the_errors_that_were_named_become_user_errors():
    message = r"^two lines \(hint\)$"
    hinted = command_line.user_errors(OSError, hint=" (hint)")
    with pytest.raises(UserError, match=message), hinted:
        raise OSError("two\n lines")
    with pytest.raises(KeyError), command_line.user_errors(OSError):
        raise KeyError
    with pytest.raises(UserError, match="^mine$"), command_line.user_errors(ValueError, hint="?"):
        raise UserError("mine")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--no_such_flag=1"], "--"),
        ([], "--model_dir"),
        (["--model_dir=x", "--gin_file=y", "--output=z", "--checkpoint=last"], "--checkpoint"),
        # Abbreviations would break with the next flag that starts alike.
        (["--model_di=x", "--gin_file=y", "--output=z"], "--model_dir"),
    ],
)
def test_a_wrong_flag_is_named(capsys, command, flags, named):
    line = runs.refusal(capsys, COMMANDS[command], *flags)
    assert named in line
    assert f"{command} --help" in line


def test_a_mode_that_there_is_not_is_named(capsys):
    flags = ["--gin_file=x", "--model_dir=y", "--mode=dream"]
    assert "'dream'" in runs.refusal(capsys, train.main, *flags)


def test_a_prompt_comes_from_one_place(capsys):
    flags = ["--model_dir=x", "--prompt=a", "--prompt_file=b"]
    assert "--prompt_file" in runs.refusal(capsys, generate.main, *flags)


@pytest.mark.parametrize(
    ("kind", "status", "line"),
    [(KeyboardInterrupt, 130, "interrupted\n"), (command_line.Terminated, 143, "terminated\n")],
)
def test_a_signal_is_one_line_and_the_status_of_the_shell(capsys, kind, status, line):
    def main():
        raise kind

    with pytest.raises(SystemExit) as ended:
        command_line.run(main)
    assert ended.value.code == status
    assert capsys.readouterr().err == line


def run_apart(code, **options):
    """A command in a process of its own; it imports no TensorFlow, and so it is quick."""
    code = f"from pipelines import command_line\ncommand_line.run(lambda: {code})"
    return subprocess.run([sys.executable, "-c", code], cwd=runs.ROOT, text=True, **options)


def test_a_terminal_without_the_letters_gets_escapes(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run_apart("print('größe')", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gr\\xf6\\xdfe\n", "")


def test_a_reader_that_goes_away_is_no_error_of_ours():
    reader, writer = os.pipe()
    os.close(reader)
    done = run_apart("print('text')", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_standard_output_is_one_line(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with open("/dev/full", "w") as full:
        done = run_apart("print('text')", stdout=full, stderr=subprocess.PIPE)
    line = "error: cannot write standard output: [Errno 28] No space left on device\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_a_full_standard_error_is_passed_over():
    code = "(print('note', file=command_line.sys.stderr), print('text'))[0]"
    with open("/dev/full", "w") as full:
        done = run_apart(code, stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (0, "text\n")


@pytest.mark.parametrize(
    ("closed", "out", "err"),
    [(">&-", "", "err\n"), ("2>&-", "out\n", ""), (">&- 2>&-", "", "")],
)
def test_what_is_closed_gets_nothing_and_no_file_takes_its_number(tmp_path, closed, out, err):
    code = """
import sys
from pipelines import command_line

def main():
    print("out")
    print("err", file=sys.stderr)
    with open(sys.argv[1], "w") as file:
        assert file.fileno() > 2

command_line.run(main)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    done = subprocess.run(shell, cwd=runs.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, out, err)


@pytest.mark.parametrize("main", [train.main, evaluate.main, generate.main, export.main])
def test_an_empty_model_dir_is_refused(capsys, main):
    assert "--model_dir: must not be empty" in runs.refusal(capsys, main, "--model_dir=")


@pytest.mark.parametrize("main", [train.main, evaluate.main, generate.main, export.main])
def test_a_model_dir_that_reads_as_a_pattern_is_refused(tmp_path, capsys, main):
    line = runs.refusal(capsys, main, f"--model_dir={tmp_path}/run [x]")
    assert "--model_dir: must not hold [ or ]" in line
    assert not list(tmp_path.iterdir())
