"""What every test relies on: the backend, the threads, the examples and the files of the clone."""

import gc
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Keras and TensorFlow read these once, when they are imported, so none of the imports above may
# bring them in.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    # Every worker would start a thread per core. Only the threads that compute are shared out: with
    # a single inter-op thread, two replicas in one process could wait for each other for ever.
    THREADS = str(max(1, (os.cpu_count() or 1) // WORKERS))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", THREADS)
    os.environ.setdefault("OMP_NUM_THREADS", THREADS)
    os.environ.setdefault("NPROC", THREADS)  # the size of XLA's thread pool, so JAX's too

ROOT = Path(__file__).resolve().parents[1]

# What JAX has compiled serves the other worker too, and the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# The same examples on every machine, however busy it is: a failure can be run again.
settings.register_profile(
    "repository",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repository")


def pytest_collection_modifyitems(items):
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared)


def pytest_collection_finish():
    """What the imports left, a million objects, is not walked through again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples and golden numbers beside the clone, which is not part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the folder {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return ROOT


@pytest.fixture(scope="session")
def repository_files() -> list[Path]:
    """Every file that is tracked, or would be by `git add .`, as a path from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # A file that was deleted but not yet committed is still listed.
    return sorted(Path(name) for name in set(names.split("\0")) if name and (ROOT / name).is_file())
