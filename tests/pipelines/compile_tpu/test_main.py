"""What the command refuses before anything is installed, and what it makes of what came back."""

import json
import sys
import types

import pytest

from pipelines.compile_tpu import __main__ as compile_tpu
from pipelines.compile_tpu import environments, processes
from tests.pipelines import runs

COMPILED = {
    "compile_s": 1.0,
    "compile_cpu_s": 2.0,
    "devices": 4,
    "device_kind": "TPU v5 lite",
    "hbm_bytes": 2**30,
    "peak_bytes": 2**30,
    "argument_bytes": 2**29,
    "temp_bytes": 2**29,
    "flops": 1e9,
    "collectives": {},
}
REFUSED = {"refused": "RESOURCE_EXHAUSTED: Ran out of memory"}


@pytest.fixture
def no_environments(monkeypatch):
    def make(environment):
        raise AssertionError(f"{environment.folder} is not needed to refuse this")

    monkeypatch.setattr(environments.Environment, "make", make)


@pytest.fixture
def compiled(monkeypatch):
    """A function that sets what the compiler says; the step is lowered by this environment."""
    here = types.SimpleNamespace(python=sys.executable, make=lambda: None)
    monkeypatch.setattr(environments, "LOWER", here)
    monkeypatch.setattr(environments, "COMPILE", here)
    called = []

    def call(command, what, **variables):
        called.append(command)
        if what == "compiling":
            return json.dumps(answer)
        facts = next(word for word in command if word.startswith("--facts=")).partition("=")[2]
        of_step = {"step": "train", "rows": 64, "microbatches": 1, "parameters": 480_131}
        of_step |= {"hand_flops": 10**9, "donated": [[0, 0]], "rematerialize": False}
        with open(facts, "w") as file:
            json.dump({**of_step, "optimizer": "OptaxAdam", "dtype": "float32"}, file)
        return ""

    monkeypatch.setattr(processes, "call", call)
    answer = {}
    return lambda record: answer.update(record) or called


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ([], "--topology"),
        (["--topology=v9:2x2"], "v5e:16x16"),
        (["--topology=v5e:2x2", "--step=export"], "--step"),
        (["--topology=v5e:2x2", "--vocab_size=none"], "--vocab_size"),
        (["--topology=v5e:2x2", "--decode_rows=0"], "--decode_rows"),
        (["--topology=v5e:2x2", "--output="], "--output"),
    ],
)
def test_wrong_flags_are_refused_at_once(capsys, no_environments, flags, named):
    flags = ["--gin_file=gin/runs/copy_32_tiny.gin", *flags]
    assert named in runs.refusal(capsys, compile_tpu.main, *flags)


def test_what_fits_is_shown_and_kept(capsys, tmp_path, compiled):
    called, file = compiled(COMPILED), tmp_path / "records.jsonl"
    flags = ["--gin_file=gin/runs/copy_32_tiny.gin", "--topology=v5e:2x2", f"--output={file}"]
    flags += ["--gin_bindings=STEPS = 3", "--vocab_size=300"]
    for _ in range(2):
        assert runs.call(compile_tpu.main, *flags) == 0
    printed = capsys.readouterr()
    assert "1.0 GiB" in printed.out and "64 rows on each of 4 devices" in printed.err
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first == second and first["bindings"] == ["STEPS = 3"]
    assert (first["run"], first["topology"], first["flops"]) == (["copy_32_tiny"], "v5e:2x2", 1e9)
    lower, compiler = called[:2]
    assert {"--gin_bindings=STEPS = 3", "--vocab_size=300", "--replicas=4"} <= set(lower)
    assert compiler[-1] == "v5e:2x2"


def test_what_does_not_fit_is_one_line_and_status_1(capsys, tmp_path, compiled):
    compiled(REFUSED)
    file = tmp_path / "records.jsonl"
    flags = ["--gin_file=gin/runs/copy_32_tiny.gin", "--topology=v5e:2x2", f"--output={file}"]
    assert runs.call(compile_tpu.main, *flags) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line == "error: does not fit v5e:2x2: RESOURCE_EXHAUSTED: Ran out of memory"
    assert json.loads(file.read_text())["refused"] == REFUSED["refused"]
