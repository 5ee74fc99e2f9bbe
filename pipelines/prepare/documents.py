"""The raw data that there is: which files are documents of which split."""

import csv
import hashlib
import io
import os
from typing import NamedTuple

import tensorflow as tf

from pipelines import image_files, midi_files, remote
from pipelines.data import corpus
from pipelines.data.batches import SPLITS
from pipelines.errors import UserError

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif")

# Before the names of sets of TensorFlow Datasets; see `tfds_source`.
TFDS = "tfds:"


class Document(NamedTuple):
    """One document to encode, and the reading of it.

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

    def each(self):
        """The documents in it: itself. (Of other sources a plan names many at once.)"""
        return (self,)

    def text(self):
        """bytes: UTF-8.

        Raises:
            UserError: a file that is not text, or cannot be read.
        """
        data = corpus.read_text(self.path, self.size, self.part)
        if not data:
            raise UserError(f"{self.path!r} is too short to set aside 5 % of it")
        return data

    def image(self, size):
        """uint8 (S, S, 3): see `image_files.read`."""
        return image_files.read(self.path, size)

    def notes(self):
        """Records (N,) of notes: see `midi_files.read`."""
        return midi_files.read(self.path)


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


def find_images(folder):
    """Image files: folders `train…`, `valid…` and `test…`, or one folder without them.

    `train_64x64` and `valid_64x64` are those of downsampled ImageNet. Of files without a split, a
    twentieth is for validation: which, follows from their names.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: no such folder, or no images in it.
    """
    if not tf.io.gfile.isdir(folder):
        raise UserError(f"no folder {folder!r}: give one with images")
    paths = [
        tf.io.gfile.join(directory, name)
        for directory, _, names in tf.io.gfile.walk(folder)
        for name in names
        if name.lower().endswith(_IMAGES) and not name.startswith(".")
    ]
    if not paths:
        raise UserError(f"no images in {folder!r}: they are named {', '.join(_IMAGES)}")
    paths.sort()
    names = [os.path.relpath(path, folder) for path in paths]
    sizes = corpus.sizes(paths, folder)
    has_splits = all(_split_of(name) for name in names)
    documents = {}
    for name, path, size in zip(names, paths, sizes, strict=True):
        split = _split_of(name) if has_splits else _drawn_split(name)
        documents.setdefault(split, []).append(Document(name, path, "whole", size))
    return documents


def find_music(folder):
    """MIDI files as MAESTRO lays them out: a table `maestro-v….csv` says the split of each.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: no table, or more than one, a split that there is not, or a file that is missing.
    """
    tables = sorted(tf.io.gfile.glob(tf.io.gfile.join(folder, "maestro-v*.csv")))
    if len(tables) != 1:
        raise UserError(
            f"{folder!r} holds {len(tables)} tables maestro-v*.csv, not one: give MAESTRO's folder"
        )
    text = remote.content(tables[0]).decode("utf-8-sig", "replace")
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not {"midi_filename", "split"} <= rows[0].keys():
        raise UserError(f"{tables[0]!r} has no columns midi_filename and split: copy it again")
    for row in rows:
        if row["split"] not in SPLITS:
            raise UserError(f"{tables[0]!r} has a row of split {row['split']!r}: copy it again")
    paths = [tf.io.gfile.join(folder, row["midi_filename"]) for row in rows]
    documents = {}
    for row, path, size in zip(rows, paths, corpus.sizes(paths, folder), strict=True):
        document = Document(row["midi_filename"], path, "whole", size)
        documents.setdefault(row["split"], []).append(document)
    return documents


def _split_of(name):
    """The split that a path's first folder is named for, or None."""
    first = name.split("/")[0].lower() if "/" in name else ""
    kinds = {"train": "train", "val": "validation", "test": "test"}
    return next((split for start, split in kinds.items() if first.startswith(start)), None)


def _drawn_split(name):
    return "validation" if hashlib.sha256(name.encode()).digest()[0] < 13 else "train"


FINDERS = {"pg19": find_text, "text": find_text, "imagenet64": find_images, "maestro": find_music}


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
        raise UserError(f"unknown --dataset={dataset}: choose {', '.join(FINDERS)}, {TFDS}NAME")
    return FINDERS[dataset](os.path.expanduser(folder).rstrip("/") or "/")
