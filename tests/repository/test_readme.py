"""Every command and example of the README runs, at a small size."""

import os
import re
import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SMALL = (
    "CONTEXT = 256",
    "LATENTS = 32",
    "STEPS = 2",
    "PerceiverARBackbone.num_layers = 1",
    "PerceiverARBackbone.width = 16",
)


def blocks(repository, language):
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(repository):
    """The commands of the README, each as a list of words."""
    for block in blocks(repository, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


def run(command, repository, **options):
    environment = {**os.environ, "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_make_targets_exist(repository):
    targets = [words[1] for words in commands(repository) if words[0] == "make"]
    assert targets == ["demo", "test"]
    for target in targets:
        run(["make", "--dry-run", target], repository, cwd=repository)


@pytest.fixture(scope="module")
def outputs(repository, tmp_path_factory):
    """Runs the commands in their order; returns what each module printed."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "books").mkdir()
    (folder / "books" / "a.txt").write_text("It was a dark and stormy night. " * 200)
    places = {
        "/path/to/books": str(folder / "books"),
        "runs/books": str(folder / "run"),
        "savedmodels/books": str(folder / "exported"),
    }
    printed = {}
    for words in commands(repository):
        if words[0] == "make":
            continue
        assert words[0] == ".venv/bin/python", words
        for place, stand_in in places.items():
            words = [word.replace(place, stand_in) for word in words]
        if "pipelines.train" in words:
            words += [f"--gin_bindings={binding}" for binding in SMALL]
        name = words[2] if words[1] == "-m" else words[1]
        printed[name] = run([sys.executable, *words[1:]], repository, cwd=repository)
    return printed


def test_every_command_runs(outputs):
    assert set(outputs) == {
        "pipelines.train",
        "pipelines.evaluate",
        "pipelines.generate",
        "savedmodels.export",
        "savedmodels/try_plain.py",
    }


def test_what_the_commands_print(outputs):
    assert "step 2/2" in outputs["pipelines.train"]
    assert "bits_per_byte" in outputs["pipelines.evaluate"]
    assert outputs["pipelines.generate"].startswith("It was ")
    assert "generate_text" in outputs["savedmodels.export"]
    assert '"text": [' in outputs["savedmodels/try_plain.py"]


def test_python_examples_run(repository, tmp_path):
    examples = blocks(repository, "python")
    assert len(examples) == 1
    printed = run([sys.executable, "-c", examples[0]], repository, cwd=tmp_path)
    assert printed.strip().endswith("(2, 3, 32)")
