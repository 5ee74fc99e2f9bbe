"""Every example of docs/ runs as it is printed there; some pages have tests with what they need."""

import os
import re
import subprocess
import sys

import pytest

from keras_perceiver_ar.convert import settings
from tests.pipelines import runs

OWN_TESTS = ("data.md", "serving.md", "serve_it.md", "convert_the_released_checkpoint.md")


def examples(repository_files, repository):
    for path in repository_files:
        if path.parts[0] == "docs" and path.suffix == ".md" and path.name not in OWN_TESTS:
            text = (repository / path).read_text(encoding="utf-8")
            for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
                yield path.name, text[: match.start()].count("\n") + 2, match[1]


@pytest.mark.slow
def test_examples_run_and_print_what_they_say(repository_files, repository, tmp_path):
    flags = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 40")
    runs.save_untrained(tmp_path / "runs" / "books", flags)
    environment = {**os.environ, "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    count = 0
    for name, line, code in examples(repository_files, repository):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{name}:{line}\n{done.stderr}"
        for shown in re.findall(r"print\(.*\)  # (\([\d, ]+\))", code):
            assert shown in done.stdout, f"{name}:{line} printed {done.stdout}"
        count += 1
    assert count >= 4


def test_every_option_of_the_original_has_its_place_on_the_page(repository):
    page = (repository / "docs" / "options.md").read_text(encoding="utf-8")
    assert not [name for name in settings.DEFAULTS if f"`{name}`" not in page]
