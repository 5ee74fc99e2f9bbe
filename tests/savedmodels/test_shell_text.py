import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savedmodels import shell_text

WORDS = ["python", "-m", "savedmodels.trained", "piano"]


def read_back(text):
    """The arguments that a shell makes of a command."""
    # The command's own words are those of a function, which prints them.
    script = f"python() {{ printf '%s\\0' python \"$@\"; }}\n{text}\n"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode("utf-8").split("\0")[:-1]


def test_it_is_written_as_the_docs_write_it():
    words = [*WORDS, "--output=a/b", "--gin_bindings=DATA = 'maestro-npy'", "--show"]
    assert shell_text.command(words) == (
        "python -m savedmodels.trained piano \\\n"
        "  --output=a/b \\\n"
        "  --gin_bindings=\"DATA = 'maestro-npy'\" \\\n"
        "  --show"
    )


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('{"a": 1}', """'{"a": 1}'"""),
        ("--a=$HOME", "--a='$HOME'"),
        ("--a=", "--a="),
        ("", "''"),
    ],
)
def test_quotes(word, quoted):
    assert shell_text.quote(word) == quoted


# No command line can hold the letter 0, nor half of a surrogate pair.
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
likely = st.sampled_from([*"'\"\\$`! \n=-*~#;&|(){}", "--a=", "DATA"])


@given(st.lists(st.lists(letters | likely, max_size=8).map("".join), max_size=4))
def test_a_shell_reads_back_the_same_arguments(more):
    assert read_back(shell_text.command([*WORDS, *more])) == [*WORDS, *more]
