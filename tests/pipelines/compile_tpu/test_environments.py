import pathlib

import pytest

from pipelines.compile_tpu import environments
from pipelines.compile_tpu.environments import Environment
from pipelines.errors import RunError


@pytest.fixture
def pins(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# nothing\n")
    return file


def make(tmp_path, *words):
    return Environment(str(tmp_path / "environment"), [[*map(str, words)]], 1)


def test_the_pins_are_files_of_the_repository():
    for environment in (environments.LOWER, environments.COMPILE):
        assert environment.folder.parent == pathlib.Path(__file__).resolve().parents[3]
        assert len(environment._pins()) == 64


@pytest.mark.slow
def test_it_is_made_once_and_again_after_an_interruption_or_for_other_pins(tmp_path, pins, capsys):
    environment = make(tmp_path, "-r", pins)
    half = environment.folder / "lib" / "half"
    half.mkdir(parents=True)
    assert not environment.is_ready
    environment.make()
    assert environment.is_ready and not half.exists()
    assert pathlib.Path(environment.python).exists()
    said = capsys.readouterr().err
    assert said.startswith("making environment") and said.count("\n") == 1
    environment.make()
    assert capsys.readouterr().err == ""
    pins.write_text("# something else\n")
    assert not environment.is_ready


@pytest.mark.slow
def test_what_pip_refuses_is_told_in_its_words(tmp_path, pins):
    pins.write_text("--no-index\nno-such-package==1.0\n")
    environment = make(tmp_path, "-r", pins)
    with pytest.raises(RunError, match=r"cannot make environment: ERROR: .*no-such-package"):
        environment.make()
    assert not environment.is_ready
