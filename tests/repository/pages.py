"""What pages tell a reader to run, run at a small size."""

import os
import re
import shlex
import subprocess
import sys


def blocks(page, language):
    """Text of the page's blocks of a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def links(page):
    """What the page's links and pictures point at."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page):
    """What GitHub calls the page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def commands(page):
    """The commands of a page, each as a list of words."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


def run(command, repository, **options):
    """Standard output of a command that must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_each(page, repository, places, extra):
    """Runs the Python commands of a page in their order, each when it is asked for.

    Args:
        page: path.
        repository: path of the clone.
        places: dict of what a command names to what stands in for it, the longer ones first. What
            is added to it counts for the commands that come after.
        extra: dict of a module, or its command, to words added behind.

    Yields:
        (module or file, words behind it, what it printed).
    """
    for words in commands(page):
        if words[0] in ("make", ".venv/bin/pip"):
            continue
        assert words[0] == ".venv/bin/python", words
        for place, stand_in in places.items():
            words = [word.replace(place, str(stand_in)) for word in words]
        at = 2 if words[1] == "-m" else 1
        name, rest = words[at], words[at + 1 :]
        for key, more in extra.items():
            if key in (name, f"{name} {rest[0]}"):
                rest = [*rest, *more]
        command = [sys.executable, *words[1 : at + 1], *rest]
        yield name, rest, run(command, repository, cwd=repository)


def run_commands(page, repository, places, extra):
    """All that `run_each` yields, as a list."""
    return list(run_each(page, repository, places, extra))
