"""python -m pipelines.experiment.page: draws the tables of experiments and writes their page."""

import importlib
import os
import pathlib

from pipelines import command_line
from pipelines.experiment import catalogue, table
from pipelines.experiment.table import write_whole

SIZES = {"h200": "On one GPU", "cpu": "On two cores"}
HEAD = """<!-- Written by `make experiments-page` from docs/experiments/*.csv -->
# Experiments

The paper's claims, each at a size that can be run. Every figure and every sentence about one comes
from the tables in `docs/experiments`, and says so where a claim does not hold at that size. How to
run them is [at the end](#run-them).
"""
TAIL = """
## Run them

An experiment has settings for two cores (`--size=cpu`) and for one GPU (`--size=h200`), in
`gin/runs/experiments`. It leaves a table and weights in `--output`, and goes on from there where it
was interrupted. What has no table above has not been run yet. The documents come first:

```bash
.venv/bin/python -m pipelines.prepare --dataset=pg19 --input=BOOKS --output=books-npy --format=npy
.venv/bin/python -m pipelines.experiment copy --output=experiments
.venv/bin/python -m pipelines.experiment context --output=experiments \\
  --gin_bindings="DATA = 'books-npy'"
.venv/bin/python -m savedmodels.trained books --experiment=experiments --output=savedmodels/books \\
  --gin_bindings="DATA = 'books-npy'"
```

The others are NAMES. `orders` and `piano` take `--show`, which makes pictures and sound of what
was drawn. The last command above exports the model of an experiment, with a card that says what it
is, of what data, and what it cannot do: there is one of `copy`, `books`, `images` and `piano`.

On a GPU, `KERAS_BACKEND=jax` and Keras with JAX, NumPy and gin are enough: nothing that trains
imports TensorFlow. This page and its pictures are written anew from the tables by
`make experiments-page`.
"""


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.experiment.page", __doc__)
    flags.add_argument(
        "--tables",
        type=command_line.path,
        default="docs/experiments",
        metavar="DIR",
        help="folder of the tables NAME_SIZE.csv; the pictures go there too",
    )
    flags.add_argument(
        "--page", type=command_line.path, default="docs/experiments.md", metavar="FILE"
    )
    flags = flags.parse_args(arguments)
    with command_line.user_errors(OSError, ImportError):
        write(pathlib.Path(flags.tables), pathlib.Path(flags.page))
    print(f"wrote {flags.page}")


def write(tables, page):
    """Draws a picture beside each table, and writes the page of all of them.

    Args:
        tables: path of a folder.
        page: path of the Markdown file. Pictures are linked from where it lies.

    Raises:
        UserError: a table that cannot be read.
    """
    parts = [HEAD]
    for name in catalogue.NAMES:
        report, sections = _report(name), []
        for size, title in SIZES.items():
            path = tables / f"{name}_{size}.csv"
            if not path.exists():
                continue
            rows, picture = table.read(path), path.with_suffix(".svg")
            report.draw(rows, picture)
            link = pathlib.PurePath(os.path.relpath(picture, page.parent)).as_posix()
            sections.append(f"### {title}\n\n![{report.TITLE}]({link})\n\n{report.tell(rows)}\n")
        if sections:
            parts.append(f"## {report.TITLE}\n\n{report.CLAIM}\n")
            parts += sections
    others = ", ".join(f"`{name}`" for name in catalogue.NAMES if name not in ("copy", "context"))
    parts.append(TAIL.lstrip("\n").replace("NAMES", others))
    text = "\n".join(parts)
    write_whole(page, lambda path: path.write_text(text, encoding="utf-8"))


def _report(name):
    return importlib.import_module(f"pipelines.experiment.reports.{name}")


if __name__ == "__main__":
    command_line.run(main)
