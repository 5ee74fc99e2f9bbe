"""The wheel holds the model and nothing else, and works away from the clone."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

USE_IT = """
import pathlib, sys
import numpy as np
import keras_perceiver_ar as kpar

target = pathlib.Path(sys.argv[1]).resolve()
assert target in pathlib.Path(kpar.__file__).resolve().parents, kpar.__file__
backbone = kpar.models.PerceiverARBackbone(
    vocab_size=17, max_context=12, num_latents=4, num_layers=1, width=16, num_heads=2
)
logits = kpar.models.PerceiverARCausalLM(backbone)(
    {"token_ids": np.array([[3, 4, 5, 6, 0, 0, 0, 0]])}
)
assert logits.shape == (1, 4, 17), logits.shape
"""


def pip(*arguments, cwd):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(repository, repository_files, tmp_path_factory) -> Path:
    # Built from a copy: setuptools leaves a `build/` in the source tree, and a file deleted since
    # the last build would come back from there.
    source = tmp_path_factory.mktemp("source")
    for file in repository_files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository / file, source / file)
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ".", cwd=source)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_model_and_nothing_else(wheel, repository_files):
    assert wheel.name == "keras_perceiver_ar-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name) for name in archive.namelist()}
    packed = {name for name in names if not name.parts[0].endswith(".dist-info")}
    # Equality, because find_packages silently leaves out a folder without an `__init__.py`.
    assert packed == {
        file
        for file in repository_files
        if file.parts[0] == "keras_perceiver_ar" and file.suffix == ".py"
    }


@pytest.mark.slow
def test_installed_wheel_runs_away_from_the_clone(wheel, tmp_path):
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip("install", "--no-deps", "--no-index", "--target", target, wheel, cwd=elsewhere)
    done = subprocess.run(
        [sys.executable, "-c", USE_IT, str(target)],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
