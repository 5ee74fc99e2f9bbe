"""What every command shares: flags, gin, and errors in one line."""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import unicodedata

# TensorFlow reads this when it is imported; the commands import it through their other modules.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from pipelines.errors import RunError, UserError

FAILED = 1
BAD_INPUT = 2
# Letters that turn the direction of what follows.
_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_HALF = 0  # --slide without a number; argparse would read a word as one
_GIN_TRACE = "\n  In call to configurable"


class Terminated(KeyboardInterrupt):
    """SIGTERM, where a command ends at it as it does at Ctrl-C."""


def parser(command, description):
    """An argument parser that answers a wrong flag with one line and exit status 2."""
    return _Parser(
        prog=f"python -m {command}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(BAD_INPUT)


def add_gin_flags(flags, required):
    """Adds `--gin_file` and `--gin_bindings`, each of which may come several times."""
    flags.add_argument(
        "--gin_file",
        action="append",
        default=[],
        required=required,
        type=path,
        metavar="FILE",
        help="gin file, read in the order given",
    )
    flags.add_argument(
        "--gin_bindings",
        action="append",
        default=[],
        metavar="'NAME = VALUE'",
        help="binding that comes after all files; a file path needs quotes: DATA = '/books'",
    )


def add_model_dir(flags, what):
    """Adds `--model_dir`, which every command needs."""
    flags.add_argument("--model_dir", required=True, type=_model_dir, metavar="DIR", help=what)


def _model_dir(text):
    """TensorFlow writes checkpoints to any path, but looks for them as for a pattern of names."""
    wrong = sorted(set(text) & set("[]*?\\"))
    if wrong:
        raise argparse.ArgumentTypeError(
            f"must not hold {' or '.join(wrong)}, or its checkpoints are not found again"
        )
    return path(text)


def add_slide(flags):
    """Adds `--slide`, with a number of tokens or without."""
    flags.add_argument(
        "--slide",
        nargs="?",
        type=at_least(1),
        const=_HALF,
        metavar="TOKENS",
        help="goes on where the context is full: so many of the oldest tokens leave, half of them "
        "without a number",
    )


def read_slide(flags):
    """What `--slide` says, as `generate` takes it: None, "half" or int."""
    return "half" if flags.slide == _HALF else flags.slide


def path(text):
    """A flag's value that names a file or a folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return os.path.expanduser(text)  # the shell does not, behind a sign of equality


def at_least(least, most=None):
    """A flag's type: integers from `least` on, up to `most` if there is one."""
    allowed = f"≥ {least}" if most is None else f"≥ {least} and ≤ {most}"

    def integer(text):
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"must be an integer {allowed}, got {text!r}")
        return value

    return integer


def run(main):
    """Runs a command and ends the process.

    Exit status 0 means that the work was done. Bad input is one line on standard error and status
    2; what failed outside of the program is one line and status 1; Ctrl-C, and `Terminated`, is one
    line and the shell's status for it; a reader that went away is that alone.

    Args:
        main: function without arguments. Returns an exit status or None, which is 0.
    """
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal has no letters for is written in escapes instead of not at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with one_line_errors():
            status = main() or 0
            with writing_to_stdout():
                sys.stdout.flush()
        sys.exit(status)
    except Terminated:
        print("terminated", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        _drop_stdout()
        sys.exit(128 + signal.SIGPIPE)


def _open_streams():
    """Makes sure of standard output and error: closed ones, and a standard error that is full."""
    # In this order, the lowest number first: a file that takes the number of standard error would
    # get what TensorFlow's C++ writes there. And `print` takes a None for standard output.
    is_stderr_open = sys.stderr is not None
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if is_stderr_open and type(sys.stderr) is io.TextIOWrapper:  # none that captures it
        raw = io.BufferedWriter(_Lossy(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(
            raw, sys.stderr.encoding, sys.stderr.errors, line_buffering=True
        )


class _Lossy(io.FileIO):
    """Standard error, without which a command does its work all the same."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextlib.contextmanager
def writing_to_stdout():
    """Says in one line why standard output cannot be written; a reader that left is none's error.

    Raises:
        RunError: it cannot. What was not written is dropped.
        BrokenPipeError: its reader went away.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_stdout()
        raise RunError(f"cannot write standard output: {one_line(error)}") from error


def _drop_stdout():
    # Python flushes at exit. What captures the output has no number.
    with contextlib.suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def one_line_errors():
    """Turns a `UserError` into one line on standard error and status 2, a `RunError` into 1."""
    try:
        yield
    except (UserError, RunError) as error:
        print(f"error: {printable(one_line(error))}", file=sys.stderr)
        sys.exit(BAD_INPUT if isinstance(error, UserError) else FAILED)


@contextlib.contextmanager
def user_errors(*kinds, hint=""):
    """Says of exceptions of these kinds that the person at the keyboard can put them right."""
    try:
        yield
    except UserError:
        raise
    except kinds as error:
        raise UserError(one_line(error) + _where(error) + hint) from error


def _where(error):
    """What gin was calling, for a message that may name no setting."""
    place = re.search(_GIN_TRACE + r" '([^']+)'", str(error))
    return f" (in the settings of {place[1]})" if place else ""


def one_line(error):
    """The message of an exception, without line breaks, gin's trace and TensorFlow's nodes."""
    message = re.split(_GIN_TRACE, str(error), maxsplit=1)[0]
    message = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", message)
    return " ".join(message.split())


def printable(text, keep="\n\t"):
    """With escapes for what would move a terminal's cursor, or worse, but for these letters."""

    def is_command(letter):
        return unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs") or (
            unicodedata.bidirectional(letter) in _TURNS
        )

    return "".join(
        letter.encode("unicode_escape").decode()
        if letter not in keep and is_command(letter)
        else letter
        for letter in text
    )
