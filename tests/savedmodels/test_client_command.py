import os
import signal
import subprocess
import sys

import pytest

from savedmodels import client as command
from tests.pipelines import runs
from tests.serving import separate

ASKED = ["--prompt=größe ", "--max_new_tokens=12", "--seed=3"]


@pytest.fixture
def flags(target):
    return [f"--target={target}", "--model=books"]


def run(capsys, *arguments):
    """Standard output and error of a command that does its work."""
    capsys.readouterr()
    assert runs.call(command.main, *arguments) == 0
    return capsys.readouterr()


def test_prompt_and_continuation_are_printed(flags, connect, capsys):
    (wanted,) = connect().generate_text("größe ", max_new_tokens=12, seed=3)["text"]
    printed = run(capsys, *flags, *ASKED).out
    assert printed == f"größe {wanted}\n"
    assert run(capsys, *flags, *ASKED, "--version=3", "--timeout=9").out == printed
    assert run(capsys, *flags, *ASKED, "--label=stable").out == printed
    assert run(capsys, *flags, *ASKED[:-1], "--seed=-4").out != printed


def test_a_stream_prints_the_same(flags, capsys):
    wanted = run(capsys, *flags, *ASKED).out
    assert run(capsys, *flags, *ASKED, "--stream", "--num_latents=4").out == wanted
    pace = "--tokens_at_a_time=2"
    assert run(capsys, *flags, *ASKED, "--stream", "--num_latents=4", pace).out == wanted


def test_status(flags, capsys):
    found = run(capsys, *flags, "--status").out.splitlines()
    assert found[:3] == [
        "version 3 AVAILABLE",
        "version 5 AVAILABLE",
        "signatures of version 5, with * where any size will do:",
    ]
    assert found[3::3] == ["generate", "generate_text", "score", "serving_default"]
    wanted = "  inputs: max_new_tokens int32 [*], seed int32 [*], temperature float32 [*], text "
    assert found[7].startswith(wanted)
    assert found[11] == "  outputs: log_probs float32 [*, *]"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--target=nothing://x"], "target must be HOST:PORT"),
        (["--timeout=0"], "timeout must be a number of seconds above 0"),
        (["--max_new_tokens=-1"], "must be an integer ≥ 0"),
        (["--max_new_tokens=99"], "not exceed it, which is 40"),
        (["--temperature=-1", "--max_new_tokens=5"], "temperature must be a finite number"),
        (["--seed=2147483648"], "seed must fit 32 bits"),
        (["--version=1", "--label=x"], "version and label cannot both be given"),
        (["--header=secret"], "--header must be 'NAME: VALUE', got one without a colon"),
        (["--header=a b: secret"], "name of a header must be letters, digits, _.-, got 'a b'"),
        (["--header=X-Token: a\nsecret"], "the header X-Token must be printable ASCII"),
        (["--header=X-Token: ö"], "the header X-Token must be printable ASCII"),
        (["--stream", "--tokens_at_a_time=0"], "must be an integer ≥ 1"),
        (["--stream", "--top_p=7"], "top_p must lie in 0 … 1"),
        (["--prompt=\ud800"], "half a surrogate pair"),
    ],
)
def test_bad_input_is_one_line(flags, capsys, wrong, said):
    line = runs.refusal(capsys, command.main, *flags, *wrong)
    assert said in line and "secret" not in line


def test_a_missing_file_of_authorities(capsys, tmp_path):
    for target in ("https://localhost:1", "grpcs://localhost:1"):
        flags = [f"--target={target}", "--model=books", f"--ca_file={tmp_path / 'x.pem'}"]
        assert "x.pem" in runs.refusal(capsys, command.main, *flags)
    (tmp_path / "x.pem").write_text("größe")
    assert "x.pem is none" in runs.refusal(capsys, command.main, *flags)
    (tmp_path / "x.pem").write_text("no certificate")
    assert "x.pem is none" in runs.refusal(capsys, command.main, *flags)


def test_a_server_that_is_not_there_is_one_line_and_status_1(flags, server, capsys):
    server.faults.fail("INTERNAL", message="out of\nmemory")
    capsys.readouterr()
    assert runs.call(command.main, *flags) == 1
    line = runs.error_line(capsys.readouterr().err)
    assert "'books'" in line and "out of memory" in line


def test_a_stream_that_breaks_off_leaves_what_came(flags, server, capsys):
    arguments = [*flags, *ASKED, "--stream", "--tokens_at_a_time=6"]
    whole = run(capsys, *arguments).out
    server.faults.fail("DATA_LOSS")
    assert runs.call(command.main, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "größe \n" and "injected" in runs.error_line(captured.err)
    assert whole.startswith("größe ") and len(whole) > len(captured.out)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_that_is_killed_in_the_middle_of_a_stream(text_version, protocol):
    with separate.serve("books", {1: text_version}) as server:
        flags = [f"--target={server.targets()[protocol]}", "--model=books", "--timeout=3"]
        # One byte at a time: the server is gone long before the text is whole.
        process = runs.start(
            "savedmodels.client",
            *[*flags, "--prompt=abc", "--stream", "--max_new_tokens=37", "--tokens_at_a_time=1"],
        )
        runs.read_until(process, "abc")
        os.kill(server.process()[0], signal.SIGKILL)
        status, _, err = runs.finish(process)
    assert status == 1
    line = runs.error_line(err)
    assert "check that the server runs" in line and "tried" in line


@pytest.mark.slow
def test_grpc_itself_says_nothing(server):
    target = server.targets()["grpc"].replace("grpc://", "grpcs://")
    flags = [f"--target={target}", "--model=books"]
    status, out, err = runs.finish(runs.start("savedmodels.client", *flags))
    assert (status, out) == (1, "") and "andshake failed" in runs.error_line(err)


@pytest.mark.slow
def test_the_command_itself(target, connect):
    (wanted,) = connect().generate_text("a", max_new_tokens=5)["text"]
    flags = [f"--target={target}", "--model=books", "--prompt=a", "--max_new_tokens=5"]
    status, out, err = runs.finish(runs.start("savedmodels.client", *flags))
    assert (status, out, err) == (0, f"a{wanted}\n", "")
    listed = subprocess.run(
        [sys.executable, "-m", "savedmodels.client", "--help"],
        cwd=runs.ROOT,
        capture_output=True,
        text=True,
    ).stdout
    assert "--tokens_at_a_time" in listed
