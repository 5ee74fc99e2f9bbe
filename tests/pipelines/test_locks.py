import subprocess
import sys

import pytest

from pipelines import locks
from pipelines.errors import UserError

HOLDS = """
import sys
from pipelines import locks
with locks.alone(sys.argv[1], ""):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a lock, and the lock's file."""
    file = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDS, file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process, file
        process.kill()


def test_what_another_process_holds_is_refused(holder):
    _, file = holder
    with pytest.raises(UserError, match="^wait for it$"), locks.alone(file, "wait for it"):
        pytest.fail("went in")


def test_the_lock_of_a_process_that_was_killed_is_open(holder):
    process, file = holder
    process.kill()
    process.wait()
    with locks.alone(file, "wait for it"):
        pass


def test_what_goes_wrong_within_opens_it(tmp_path):
    with pytest.raises(ZeroDivisionError), locks.alone(tmp_path / "lock", ""):
        raise ZeroDivisionError
    with locks.alone(tmp_path / "lock", "wait for it"):
        pass
