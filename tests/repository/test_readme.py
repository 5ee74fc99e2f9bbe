"""Every command and example of the README runs, at a small size."""

import json
import sys

import pytest

from tests.repository import pages

pytestmark = pytest.mark.slow

SMALL = (
    "CONTEXT = 256",
    "LATENTS = 32",
    "STEPS = 2",
    "PerceiverARBackbone.num_layers = 1",
    "PerceiverARBackbone.width = 16",
)


def test_make_targets_exist(repository):
    targets = [words[1] for words in pages.commands(repository / "README.md") if words[0] == "make"]
    assert targets == ["demo", "test"]
    for target in targets:
        pages.run(["make", "--dry-run", target], repository, cwd=repository)


@pytest.fixture(scope="module")
def outputs(repository, tmp_path_factory):
    """Runs the commands in their order; returns what each module printed, all of its commands."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "books").mkdir()
    (folder / "books" / "a.txt").write_text("It was a dark and stormy night. " * 200)
    (folder / "prompts.txt").write_text("It was \nA dark and\n")
    places = {
        "/path/to/prompts.txt": str(folder / "prompts.txt"),
        "/path/to/books": str(folder / "books"),
        "runs/books": str(folder / "run"),
        "savedmodels/books": str(folder / "exported"),
    }
    extra = {"pipelines.train": [f"--gin_bindings={binding}" for binding in SMALL]}
    page, outputs = repository / "README.md", {}
    for name, _, printed in pages.run_commands(page, repository, places, extra):
        outputs[name] = outputs.get(name, "") + printed
    lines = (folder / "run/continued.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    assert prompts == ["It was "] * 3 + ["A dark and"] * 3
    return outputs


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
    assert outputs["pipelines.generate"].endswith("/continued.jsonl\n")
    assert "generate_text" in outputs["savedmodels.export"]
    assert '"text": [' in outputs["savedmodels/try_plain.py"]


def test_python_examples_run(repository, tmp_path):
    examples = pages.blocks(repository / "README.md", "python")
    assert len(examples) == 1
    printed = pages.run([sys.executable, "-c", examples[0]], repository, cwd=tmp_path)
    assert printed.strip().endswith("(2, 3, 32)")
