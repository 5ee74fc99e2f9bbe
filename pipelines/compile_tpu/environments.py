"""python -m pipelines.compile_tpu.environments: makes what compiling for TPUs needs."""

import contextlib
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

from pipelines import command_line
from pipelines.errors import RunError

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class Environment:
    """A virtual environment of pinned packages, beside `.venv`.

    Args:
        name: str. Its folder in the repository.
        steps: list of lists of str, the arguments of one `pip install` after the other.
        megabytes: int. What it takes on disk, for the person who waits.
    """

    def __init__(self, name, steps, megabytes):
        self.folder = REPOSITORY / name
        self._steps = steps
        self._megabytes = megabytes

    @property
    def python(self):
        """str. Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def is_ready(self):
        """Whether it holds what is pinned now."""
        stamp = self.folder / ".ready"
        return stamp.exists() and stamp.read_text() == self._pins()

    def make(self):
        """Makes it if it is not ready: from nothing, since pip falls over what it left half done.

        Raises:
            RunError: pip's reason.
        """
        if self.is_ready:
            return
        with self._alone():
            if self.is_ready:  # by another process, while this one waited
                return
            print(
                f"making {self.folder.name} ({self._megabytes / 1000:.1f} GB, some minutes, once)",
                file=sys.stderr,
            )
            shutil.rmtree(self.folder, ignore_errors=True)
            self._call([sys.executable, "-m", "venv", str(self.folder)])
            for step in self._steps:
                pip = [self.python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
                self._call([*pip, *step])
            # Last, so that an interrupted set-up is begun again.
            (self.folder / ".ready").write_text(self._pins())

    @contextlib.contextmanager
    def _alone(self):
        """Waits for whoever else is making it."""
        with open(f"{self.folder}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _call(self, command):
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            reasons = [line for line in lines if line.startswith("ERROR:")] or lines
            raise RunError(f"cannot make {self.folder.name}: {reasons[-1]}")

    def _pins(self):
        files = [REPOSITORY / word for step in self._steps for word in step if "." in word]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


# TensorFlow and the libtpu that goes with it: what a TPU VM has.
LOWER = Environment(
    ".venv-tpu-lower",
    [["-r", "requirements-tpu.txt"], ["--no-deps", "-r", "requirements-tpu-no-deps.txt"]],
    2700,
)
# A newer libtpu, whose compiler answers for any slice, and the jax that speaks with it.
COMPILE = Environment(".venv-tpu-compile", [["-r", "requirements-tpu-compiler.txt"]], 1300)


def make_all():
    """Makes both; what is ready stays as it is."""
    for environment in (LOWER, COMPILE):
        environment.make()


if __name__ == "__main__":
    command_line.run(make_all)
