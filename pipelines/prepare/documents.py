"""The raw data that there is: which files are documents of which split."""

import os
from typing import NamedTuple

import tensorflow as tf

from pipelines.data import corpus
from pipelines.data.batches import SPLITS
from pipelines.errors import UserError


class Document(NamedTuple):
    """One document to encode.

    Attributes:
        name: str. Its path within the input folder.
        path: str. Its whole path.
        part: str. "whole", or the split that a part of the file belongs to.
        size: int. Bytes of the file.
    """

    name: str
    path: str
    part: str
    size: int


def find_text(folder):
    """Text files: PG-19's layout, or any folder; see `Corpus.load` for what a split is.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: no such folder, or no text in it.
    """
    present = [name for name in SPLITS if tf.io.gfile.isdir(corpus.join(folder, name))]
    # Of files without a split, the same rest would be validation and test.
    documents = {}
    for split in present or ("train", "validation"):
        files, whole = corpus.find_files(folder, split)
        part = "whole" if whole else split
        documents[split] = [
            Document(os.path.relpath(file, folder), file, part, size)
            for file, size in zip(files, corpus.sizes(files, folder), strict=True)
        ]
    return documents


FINDERS = {"pg19": find_text, "text": find_text}


def find(dataset, folder):
    """The documents of an input folder.

    Args:
        dataset: str, of `FINDERS`.
        folder: str, local or `gs://…`.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: nothing there.
    """
    if dataset not in FINDERS:
        raise UserError(f"unknown --dataset={dataset}: choose {', '.join(FINDERS)}")
    return FINDERS[dataset](os.path.expanduser(folder).rstrip("/") or "/")
