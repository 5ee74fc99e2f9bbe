"""python -m pipelines.experiment.page: draws the tables of experiments and writes their page."""

import importlib
import os
import pathlib

from pipelines import command_line
from pipelines.errors import UserError
from pipelines.experiment import catalogue, table
from pipelines.experiment.table import write_whole

# What the name of a table ends in: of the repository's two sizes, or of nothing, as one's own.
SIZES = {"_h200": "On one GPU", "_cpu": "On two cores", "": "Measured here"}
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
was interrupted. What has no table above has not been run yet. Copies need no data:

```bash
.venv/bin/python -m pipelines.experiment copy --output=runs/experiments
```

Books: a folder with `train/`, `validation/` and `test/` of text files. `baselines` and
`latents_books` are given as `context` is:

```bash
.venv/bin/python -m pipelines.prepare --dataset=pg19 --input=BOOKS \\
  --output=shards/books-npy --format=npy
.venv/bin/python -m pipelines.experiment context --output=runs/experiments \\
  --gin_bindings="DATA = 'shards/books-npy'"
```

Images, of 16 × 16 pixels on two cores (leave `--image_size` out for `--size=h200`, and write 12288
for 768), in three orders:

```bash
.venv/bin/python -c \\
  "import numpy as np; np.save('order.npy', np.random.default_rng(0).permutation(768))"
.venv/bin/python -m pipelines.prepare --dataset=imagenet64 --image_size=16 --input=IMAGES \\
  --output=shards/raster-npy --format=npy
.venv/bin/python -m pipelines.prepare --dataset=imagenet64 --image_size=16 --input=IMAGES \\
  --output=shards/rgb-npy --format=npy --order=rgb
.venv/bin/python -m pipelines.prepare --dataset=imagenet64 --image_size=16 --input=IMAGES \\
  --output=shards/permuted-npy --format=npy --order=order.npy
.venv/bin/python -m pipelines.experiment latents_images --output=runs/experiments \\
  --gin_bindings="DATA = 'shards/raster-npy'"
.venv/bin/python -m pipelines.experiment orders --output=runs/experiments --show \\
  --gin_bindings="RASTER = 'shards/raster-npy'" --gin_bindings="RGB = 'shards/rgb-npy'" \\
  --gin_bindings="PERMUTED = 'shards/permuted-npy'"
```

Music, a folder with MAESTRO's table or any MIDI files. `--show` makes pictures and sound of what
was drawn, here and of images:

```bash
.venv/bin/python -m pipelines.prepare --dataset=maestro --input=MUSIC \\
  --output=shards/music-npy --format=npy
.venv/bin/python -m pipelines.experiment piano --output=runs/experiments --show \\
  --gin_bindings="DATA = 'shards/music-npy'"
```

A page like this one of your own tables, `runs/experiments.md`; and a model of an experiment,
exported with a card that says what it is, of what data, and what it cannot do. `copy` is that of
the experiment `copy`, `books` of `latents_books`, `images` of `orders` and `piano` of `piano`; what
`--experiment` does not hold of it is trained first. What the data are no folder tells: say it with
`--data_name` and `--data_licence`.

```bash
.venv/bin/python -m pipelines.experiment.page --tables=runs/experiments
.venv/bin/python -m savedmodels.trained books --experiment=runs/experiments \\
  --output=savedmodels/books --gin_bindings="DATA = 'shards/books-npy'"
```

On a GPU, `KERAS_BACKEND=jax` and Keras with JAX, NumPy and gin are enough: nothing that trains
imports TensorFlow. What JAX compiles is kept in `compiled` in `--output`, for all seeds, or where
`JAX_COMPILATION_CACHE_DIR` says.

The page in `docs` and its pictures are written anew from the tables in `docs/experiments` by
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
        help="folder of tables NAME.csv or NAME_SIZE.csv; the pictures go there too",
    )
    flags.add_argument(
        "--page",
        type=command_line.path,
        metavar="FILE",
        help="of Markdown; what the folder is called, and .md, if left out",
    )
    flags = flags.parse_args(arguments)
    tables = pathlib.Path(flags.tables)
    page = pathlib.Path(flags.page or f"{os.path.normpath(flags.tables)}.md")
    with command_line.user_errors(OSError, ImportError):
        write(tables, page)
    print(f"wrote {page}, with the pictures in {tables}")


def write(tables, page):
    """Draws a picture beside each table, and writes the page of all of them.

    Args:
        tables: path of a folder.
        page: path of the Markdown file. Pictures are linked from where it lies.

    Raises:
        UserError: no table there, or one that is torn, or of an experiment that has not ended.
    """
    parts = [HEAD]
    for name in catalogue.NAMES:
        report, sections = _report(name), []
        for size, title in SIZES.items():
            path = tables / f"{name}{size}.csv"
            if not path.exists():
                continue
            picture = path.with_suffix(".svg")
            told = _told(report, path, picture)
            link = pathlib.PurePath(os.path.relpath(picture, page.parent)).as_posix()
            sections.append(f"### {title}\n\n![{report.TITLE}]({link})\n\n{told}\n")
        if sections:
            parts.append(f"## {report.TITLE}\n\n{report.CLAIM}\n")
            parts += sections
    if len(parts) == 1:
        raise UserError(
            f"{str(tables)!r} holds no table of an experiment: give the --output of "
            "pipelines.experiment as --tables"
        )
    parts.append(TAIL.lstrip("\n"))
    text = "\n".join(parts)
    write_whole(page, lambda path: path.write_text(text, encoding="utf-8"))


def _told(report, path, picture):
    """What a report says of a table, whose picture it draws."""
    rows = table.read(path)
    try:
        told = report.tell(rows)  # first: a table that is refused leaves its picture as it was
        report.draw(rows, picture)
    except UserError:
        raise
    except (LookupError, ValueError, TypeError, StopIteration) as error:
        raise UserError(
            f"{str(path)!r} is not the whole table of an experiment "
            f"({type(error).__name__}: {error}): put there what a run that has ended wrote"
        ) from error
    return told


def _report(name):
    return importlib.import_module(f"pipelines.experiment.reports.{name}")


if __name__ == "__main__":
    command_line.run(main)
