"""Bindings that gin takes but that would have no effect, or not the one that was meant."""

import difflib
import re

import gin
from pipelines.errors import UserError


def check_macros(bindings):
    """Refuses names that gin takes for macros but that nothing reads, or nothing sets."""
    text = gin.config_str()
    read = set(re.findall(r"%(\w+)(?![\w.])", text))
    for binding in _lines(bindings):
        name = re.match(r"\s*(\w+)\s*=", binding)
        if name and name[1] not in read:
            near = difflib.get_close_matches(name[1], read, n=1) or sorted(read)
            raise UserError(
                f"unknown name {name[1]} in --gin_bindings: no setting reads it; "
                f"there is {', '.join(near) or 'none in these files'}"
            )
    unset = sorted(read - set(re.findall(r"^(\w+) = ", text, re.MULTILINE)))
    if unset:
        raise UserError(
            f'%{unset[0]} is read but nothing sets it: add --gin_bindings="{unset[0]} = VALUE"'
        )


def check_used(bindings):
    """Refuses bindings of settings that nothing asked for, once everything has been made.

    Args:
        bindings: list of str, those of the command line. A file may well set what a run leaves out.

    Raises:
        UserError: names the first one.
    """
    used = gin.operative_config_str()
    for binding in _lines(bindings):
        match = re.match(r"\s*((?:\w+/)*)(?:\w+\.)*(\w+)\.(\w+)\s*=", binding)
        if match is None:
            continue
        scope, name, parameter = match.groups()
        # What is bound in a scope acts in that scope alone; what is bound in none, in all of them.
        place = rf"{scope}(\w+\.)*" if scope else r"(\S*[./])?"
        if not re.search(rf"^{place}{name}\.{parameter} =", used, re.MULTILINE):
            raise UserError(
                f"--gin_bindings={binding.strip()!r} has no effect: nothing in this run reads "
                f"{scope}{name}.{parameter} (it follows from something else, or wants to be bound "
                f"where it belongs, such as X.y = @{scope}{name}())"
            )


def _lines(bindings):
    """The statements of bindings, each of which may hold several lines."""
    return [line for binding in bindings for line in binding.splitlines()]
