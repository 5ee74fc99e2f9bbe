"""Small sets of .npy files for experiments."""

from pipelines.prepare import npy_writer
from tests.pipelines import shards

# Bytes of the documents of each split.
BOOKS = {"train": (90, 60, 75), "validation": (50, 31), "test": (40, 44)}


def write_books(folder):
    """A set of books; returns its folder."""
    for split, sizes in BOOKS.items():
        shards.write_books(folder / "raw", sizes, split)
    shards.prepare(folder / "raw", folder / "npy", prepare=npy_writer.prepare)
    return folder / "npy"
