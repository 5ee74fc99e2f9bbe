"""Every command and example of docs/serving.md and of the guide to it runs, against a stand-in."""

import re
import shlex
import signal
import sys

import pytest

from savedmodels.client import Client
from savedmodels.serving_client import serving_error
from tests.pipelines import runs
from tests.repository import pages
from tests.savedmodels import exports
from tests.serving.stand_in import StandIn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs(repository, tmp_path_factory):
    _, path = exports.export_text(tmp_path_factory.mktemp("served"), context=128)
    page = repository / "docs" / "serving.md"
    with StandIn("books", {1: path}) as server:
        places = {
            "http://localhost:8501": server.targets()["rest"],
            "localhost:8500": server.targets()["grpc"],
        }
        ran = pages.run_commands(page, repository, places, {})
        return [printed for _, _, printed in ran], run_example(page, repository, places)


def run_example(page, repository, places):
    """What the example of a page prints with these servers."""
    (example,) = pages.blocks(page, "python")
    for place, stand_in in places.items():
        example = example.replace(f'"{place}"', f'"{stand_in}"')
    return pages.run([sys.executable, "-c", example], repository, cwd=repository)


def test_the_commands_do_what_the_page_says(outputs):
    (status, whole, streamed), _ = outputs
    assert status.startswith("version 1 AVAILABLE\n") and "\ngenerate_text\n" in status
    for printed in (whole, streamed):
        assert printed.startswith("It was ") and len(printed.encode()) > 60


def test_the_example(outputs):
    _, printed = outputs
    assert printed.startswith("[{'version': 1, 'state': 'AVAILABLE', 'error': ''}]\n[[")
    last = printed[printed.rindex("refused temperature model") :]
    assert last.startswith("refused temperature model 'books' at grpc://localhost:")
    assert "temperature must be a finite number" in last


def test_the_guide(repository, tmp_path):
    flags = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 64")
    runs.save_untrained(tmp_path / "run", flags, scale=0.5)
    page = repository / "docs" / "guides" / "serve_it.md"
    places = {"savedmodels/books": tmp_path / "exported", "runs/books": tmp_path / "run"}
    commands = pages.run_each(page, repository, places, {})
    assert "generate_text" in next(commands)[2]
    with StandIn("books", {1: tmp_path / "exported" / "1"}) as server:
        asked = {
            "http://localhost:8501": server.targets()["rest"],
            "localhost:8500": server.targets()["grpc"],
        }
        places |= asked
        (_, _, status), (_, _, streamed) = commands
        assert status.startswith("version 1 AVAILABLE\n")
        assert streamed.startswith("It was ") and len(streamed.encode()) > 20
        assert run_example(page, repository, asked).startswith("[")


@pytest.mark.parametrize("name", ["serving.md", "guides/serve_it.md"])
def test_the_stand_in_starts_as_the_page_says(repository, tmp_path, name):
    exports.export_text(tmp_path)
    (line,) = (
        line
        for block in pages.blocks(repository / "docs" / name, "sh")
        for line in block.splitlines()
        if "stand_in" in line
    )
    python, option, module, *rest = shlex.split(line)
    assert (python, option) == (".venv/bin/python", "-m")
    free = [re.sub(r"(?<=_port=)\d+", "0", word) for word in rest]
    folder = tmp_path / "exported"
    process = runs.start(module, *(str(folder) if "/" in word else word for word in free))
    said = runs.read_until(process, "\n")
    found = re.fullmatch(r"version 1 of books at (grpc:\S+) and (http:\S+)\n", said)
    with Client(found[2], "books") as client:
        assert client.status()[0]["state"] == "AVAILABLE"
    process.send_signal(signal.SIGINT)
    assert runs.finish(process)[0] == 0


def test_every_kind_of_failure_is_on_the_page(repository):
    page = (repository / "docs" / "serving.md").read_text(encoding="utf-8")
    assert not [kind for kind in serving_error._KINDS if f"`{kind}`" not in page]
