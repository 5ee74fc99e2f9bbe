"""Commands as a page shows them: to be read by people, and by a shell as the same arguments."""

import re
import shlex

_FLAG = re.compile(r"(--[a-z][a-z0-9_]*=)(.*)", re.DOTALL)
# What a shell, or an interactive one, takes for more than a letter between double quotes.
_SPECIAL = re.compile(r'[\\"$`!\n]')


def command(words):
    """A command over as many lines as it has flags.

    Args:
        words: list of str.

    Returns:
        str.
    """
    lines = [[]]
    for number, word in enumerate(words):
        if word.startswith("--") and number > 0:
            lines.append([])
        lines[-1].append(quote(word))
    return " \\\n  ".join(" ".join(line) for line in lines if line)


def quote(word):
    """A word with the quotes that it needs; of a flag, around its value: --name="a value"."""
    if shlex.quote(word) == word:
        return word
    flag, value = _FLAG.fullmatch(word).groups() if _FLAG.fullmatch(word) else ("", word)
    if not _SPECIAL.search(value) and value:
        return f'{flag}"{value}"'
    return f"{flag}{shlex.quote(value)}"
