import sys

import pytest

from pipelines.compile_tpu import processes
from pipelines.errors import RunError, UserError


def call(code, **variables):
    return processes.call([sys.executable, "-c", code], "trying", **variables)


def test_what_a_command_prints_comes_back():
    code = "import os, sys; sys.stderr.write('noise'); print(os.environ['A'], os.environ['PATH'])"
    assert call(code, A="1").startswith("1 /")


@pytest.mark.parametrize(("status", "kind"), [(2, UserError), (1, RunError)])
def test_a_refusal_is_handed_on_with_its_status(status, kind):
    code = "import sys; print('WARNING: InitGoogle\\nerror: too large', file=sys.stderr)"
    with pytest.raises(kind, match="^too large$"):
        call(f"{code}; sys.exit({status})")


def test_a_mistake_in_the_program_is_shown_whole(capsys):
    with pytest.raises(RunError, match="^trying ended with status 1$"):
        call("1 / 0")
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "reason"),
    [("F0 a.cc:3] Check failed: x <= 16 (32 vs. 16) ", "Check failed: x <= 16"), ("", "SIGABRT")],
)
def test_a_compiler_that_ends_its_own_process(capsys, said, reason):
    code = f"import os, sys; print({said!r}, file=sys.stderr, flush=True); os.abort()"
    with pytest.raises(RunError, match=f"^trying broke off: {reason}"):
        call(code)
    assert capsys.readouterr().err == ""


def test_long_work_says_that_it_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(processes, "_SAYS_AFTER", 0.0)
    call("pass")
    assert "trying: 0 s" in capsys.readouterr().err
