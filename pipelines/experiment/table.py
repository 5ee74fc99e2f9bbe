"""What an experiment measured: a CSV file that grows row by row and is never torn."""

import csv
import io
import os
import pathlib

from pipelines.errors import UserError


class Table:
    """Rows of figures, on disk as soon as they are added.

    Args:
        path: str or path of the CSV file. Rows that are there already are read, so that an
            experiment that was interrupted leaves out what it has done.

    Raises:
        UserError: the file is no such table.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.rows = read(self.path) if self.path.exists() else []

    @classmethod
    def beside(cls, path):
        """The table PATH.csv of an experiment whose files begin with a path."""
        return cls(path.with_name(path.name + ".csv"))

    def has(self, **values):
        """Whether there is a row of these values; numbers are compared as they are written."""
        return bool(self.find(**values))

    def find(self, **values):
        """The rows of these values: list of dict of str.

        Raises:
            UserError: the table has none of these columns, so it is another one.
        """
        wanted = {name: _text(value) for name, value in values.items()}
        if self.rows and not any(wanted.keys() & row.keys() for row in self.rows):
            raise _no_table(self.path)
        return [row for row in self.rows if wanted.items() <= row.items()]

    def add(self, rows):
        """Adds rows, all of them or, where the process dies, none.

        Args:
            rows: list of dict. New columns come last; rows without them have nothing there.
        """
        self.rows += [{name: _text(value) for name, value in row.items()} for row in rows]
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def read(path):
    """The rows of a table: list of dict of str.

    Raises:
        UserError: it is not there, or no such table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the table {str(path)!r}: {error}") from error
    if any(None in row or None in row.values() for row in rows):
        raise _no_table(path)
    return rows


def _no_table(path):
    return UserError(f"{str(path)!r} is no table of this experiment: move it away")


def write_whole(path, write):
    """Writes a file under a name of its own and moves it in place, on this machine's disks.

    Args:
        path: path.
        write: function of the path to write to, of the same suffixes.
    """
    path = pathlib.Path(path)
    new = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(new)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _text(value):
    return f"{value:.9g}" if isinstance(value, float) else str(value)
