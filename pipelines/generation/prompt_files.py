"""Prompts from the command line and from files. No TensorFlow."""

import json
import os
import pathlib
from typing import NamedTuple

from pipelines.command_line import user_errors
from pipelines.errors import UserError


class Prompt(NamedTuple):
    """What to continue.

    Attributes:
        text: str, in the words of the run's task; of music and images the path of a file.
        name: str. What a message calls it.
        is_line: bool. Whether it is one of a file of prompts.
    """

    text: str
    name: str = "the prompt"
    is_line: bool = False


def from_argument(text):
    """Text of the command line, decoded as UTF-8 where the locale could not decode it.

    Args:
        text: str. With surrogates for the bytes that the locale has no letters for.

    Returns:
        str; `text` itself if it holds none, or its bytes are not UTF-8.
    """
    if not any("\udc80" <= letter <= "\udcff" for letter in text):
        return text
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


def read_one(path):
    """A file that is one prompt, as it stands: tuple of one `Prompt`.

    Raises:
        UserError: it cannot be read, is empty, or is not UTF-8.
    """
    text = _read(path)
    if not text:
        raise UserError(f"{path} is empty: write what to continue, or leave --prompt_file out")
    return (Prompt(text),)


def read_lines(path):
    """A file of prompts, one a line: tuple of `Prompt`.

    In a file that is named `.jsonl` a line is JSON: a string, or an object with a string `prompt`.

    Raises:
        UserError: it cannot be read, is not UTF-8, holds no line, or a line that is no prompt.
    """
    of_json = str(path).endswith(".jsonl")
    # Not splitlines: it parts at letters that may stand within a prompt.
    lines = [line.removesuffix("\r") for line in _read(path).split("\n")]
    if lines and not lines[-1]:
        lines.pop()  # the end of the last line
    if not lines:
        raise UserError(f"{path} is empty: write one prompt a line")
    prompts = []
    for number, line in enumerate(lines, 1):
        name = f"line {number} of {path}"
        if not line.strip():
            raise UserError(
                f"{name} is empty: take it out"
                + ("" if of_json else ' (in a .jsonl file "" is a prompt of nothing)')
            )
        prompts.append(Prompt(_of_json(line, name) if of_json else line, name, is_line=True))
    return tuple(prompts)


def _of_json(line, name):
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f'{name} is no JSON ({error}): write a string, or an object with one under "prompt"'
        ) from error
    text = value.get("prompt") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise UserError(f'{name} must be a string, or an object with one under "prompt"')
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = text[error.start].encode("unicode_escape").decode()
        raise UserError(f"{name} holds {half}, half a surrogate pair: write both") from error
    return text


def _read(path):
    with user_errors(OSError):
        data = pathlib.Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")  # a byte order mark is no text: training drops it too
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 (byte {error.start}): convert it, with iconv for instance"
        ) from error
