"""Gin files and bindings that say nothing, or not what was meant, refused by name."""

import pytest

from pipelines import evaluate, generate, train
from savedmodels import export
from tests.pipelines import runs


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    runs.save_untrained(folder / "run", runs.text_flags(runs.write_books(folder / "books")))
    return folder / "run"


def test_a_gin_file_that_is_not_there_is_named(tmp_path, capsys):
    flags = ["--gin_file=gin/runs/no_such_run.gin", f"--model_dir={tmp_path / 'run'}"]
    assert "no_such_run.gin" in runs.refusal(capsys, train.main, *flags)


def test_a_required_value_that_is_missing_is_named(tmp_path, capsys):
    flags = ["--gin_file=gin/runs/text_tiny.gin", f"--model_dir={tmp_path / 'run'}"]
    assert "value for DATA" in runs.refusal(capsys, train.main, *flags)


@pytest.mark.parametrize("content", [b"\x7fELF\xd0\xff", None])
def test_a_gin_file_that_is_no_text_is_named(tmp_path, capsys, content):
    file = tmp_path / "file.gin"
    file.mkdir() if content is None else file.write_bytes(content)
    flags = [f"--gin_file={file}", f"--model_dir={tmp_path / 'run'}"]
    assert f"(--gin_file={file})" in runs.refusal(capsys, train.main, *flags)


@pytest.mark.parametrize(
    "binding",
    [
        "CrossAttend.after_layers = (0,)",
        "OptaxLamb.beta_1 = 0.5",
        "PerceiverARBackbone.vocab_size = 7",
        "someone/TrainSettings.steps = 9",
    ],
)
def test_a_binding_that_nothing_uses_is_refused(tmp_path, capsys, binding):
    flags = [*runs.copy_flags(binding), f"--model_dir={tmp_path / 'run'}"]
    line = runs.refusal(capsys, train.main, *flags)
    assert binding in line and "has no effect" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("binding", ["OptaxAdam.learning_rate = 1.0", "x/BooksTask.min_crop = 2"])
@pytest.mark.parametrize(
    ("main", "flags"),
    [(evaluate.main, []), (generate.main, []), (export.main, ["--output=/no/such/folder"])],
)
def test_the_other_commands_refuse_it_too(text_dir, capsys, main, flags, binding):
    flags = [f"--model_dir={text_dir}", *flags, *runs.bind(binding)]
    line = runs.refusal(capsys, main, *flags)
    assert binding in line and "has no effect" in line
