"""Every command and example of docs/serving.md runs, against a stand-in."""

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
        (example,) = pages.blocks(page, "python")
        for place, stand_in in places.items():
            example = example.replace(f'"{place}"', f'"{stand_in}"')
        command = [sys.executable, "-c", example]
        return [printed for _, _, printed in ran], pages.run(command, repository, cwd=repository)


def test_the_commands_do_what_the_page_says(outputs):
    (status, whole, streamed), _ = outputs
    assert status.startswith("version 1 AVAILABLE\n") and '"generate_text"' in status
    for printed in (whole, streamed):
        assert printed.startswith("It was ") and len(printed.encode()) > 60


def test_the_example(outputs):
    _, printed = outputs
    assert printed.startswith("[{'version': 1, 'state': 'AVAILABLE', 'error': ''}]\n[[")
    last = printed[printed.rindex("refused temperature model") :]
    assert last.startswith("refused temperature model 'books' at grpc://localhost:")
    assert "temperature must be a finite number" in last


def test_the_stand_in_starts_as_the_page_says(repository, tmp_path):
    exports.export_text(tmp_path)
    (line,) = (
        line
        for block in pages.blocks(repository / "docs" / "serving.md", "sh")
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
