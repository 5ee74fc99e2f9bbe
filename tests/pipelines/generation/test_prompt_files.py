import json
import subprocess
import sys

import pytest

from pipelines.errors import UserError
from pipelines.generation import prompt_files
from tests.pipelines import runs


def test_a_prompt_of_the_command_line_is_utf8_whatever_the_locale(monkeypatch):
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    code = "import sys; from pipelines.generation import prompt_files as files\n"
    code += "print(ascii([files.from_argument(text) for text in sys.argv[1:]]))"
    command = [sys.executable, "-c", code, "größe 𝄞".encode(), b"a\xff"]
    out = subprocess.run(command, cwd=runs.ROOT, check=True, capture_output=True, text=True).stdout
    assert out == ascii(["größe 𝄞", "a\udcff"]) + "\n"  # the latter is refused later


def test_a_file_is_one_prompt_with_its_line_breaks(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_bytes("\ufeffgröße\r\n\u2028 b\n".encode())
    assert prompt_files.read_one(path) == (prompt_files.Prompt("größe\r\n\u2028 b\n"),)


def test_a_line_is_one_prompt(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffgröße\r\n a\u2028b \nc".encode())
    prompts = prompt_files.read_lines(path)
    assert [prompt.text for prompt in prompts] == ["größe", " a\u2028b ", "c"]
    assert prompts[2].name == f"line 3 of {path}" and prompts[2].is_line


def test_a_line_of_json_is_a_string_or_holds_one(tmp_path):
    path = tmp_path / "prompts.jsonl"
    lines = ['"two\\nlines"', '{"prompt": "a\u2028", "id": 7}', '""']
    path.write_text("\n".join(lines) + "\n")
    assert [prompt.text for prompt in prompt_files.read_lines(path)] == [
        "two\nlines",
        "a\u2028",
        "",
    ]


def test_what_was_written_is_a_file_of_prompts(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps({"prompt": "a", "seed": 1, "text": "b", "tokens": 2}) + "\n")
    assert [prompt.text for prompt in prompt_files.read_lines(path)] == ["a"]


@pytest.mark.parametrize(
    ("read", "name", "content", "message"),
    [
        (prompt_files.read_one, "a.txt", b"", "a.txt is empty: write what to continue"),
        (prompt_files.read_one, "a.txt", b"ab\xff", r"a.txt is not UTF-8 \(byte 2\): convert"),
        (prompt_files.read_one, "a.txt", None, "No such file .*a.txt"),
        (prompt_files.read_lines, "a.txt", b"", "a.txt is empty: write one prompt a line"),
        (prompt_files.read_lines, "a.txt", b"a\n\nb\n", "line 2 of .*a.txt is empty: take it out"),
        (prompt_files.read_lines, "a.txt", b"a\n\xe9\n", r"a.txt is not UTF-8 \(byte 2\)"),
        (prompt_files.read_lines, "a.jsonl", b'"a"\nb\n', "line 2 of .*a.jsonl is no JSON"),
        (prompt_files.read_lines, "a.jsonl", b'{"text": "a"}', "line 1 of .* must be a string"),
        (prompt_files.read_lines, "a.jsonl", b"3", "line 1 of .* must be a string"),
        (prompt_files.read_lines, "a.jsonl", b"[" * 99999, "line 1 of .* is no JSON"),
        (prompt_files.read_lines, "a.jsonl", b'"a"\n \n', "line 2 of .* is empty"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(tmp_path, read, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
