"""What every command shares: flags, gin, and errors in one line."""

import argparse
import contextlib
import os
import sys

# TensorFlow reads this when it is imported; the commands import it through their other modules.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from pipelines.errors import UserError

BAD_INPUT = 2


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


def run(main):
    """Runs a command and ends the process.

    Exit status 0 means that the work was done. Bad input is one line on standard error and status
    2.

    Args:
        main: function without arguments. Returns an exit status or None, which is 0.
    """
    with one_line_errors():
        sys.exit(main() or 0)


@contextlib.contextmanager
def one_line_errors():
    """Turns a `UserError` into one line on standard error and exit status 2."""
    try:
        yield
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT)


@contextlib.contextmanager
def user_errors(*kinds, hint=""):
    """Says of exceptions of these kinds that the person at the keyboard can put them right."""
    try:
        yield
    except UserError:
        raise
    except kinds as error:
        raise UserError(one_line(error) + hint) from error


def one_line(error):
    """The message of an exception without line breaks, and without gin's trace of calls."""
    message = str(error).split("\n  In call to configurable", maxsplit=1)[0]
    return " ".join(message.split())
