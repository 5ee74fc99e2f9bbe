"""The raw data that there is: which files are documents of which split."""

import collections
import csv
import fnmatch
import hashlib
import io
import itertools
import os
import posixpath
import re
import sys
from typing import NamedTuple

import tensorflow as tf

from pipelines import image_files, midi_files, remote
from pipelines.data import corpus, files
from pipelines.data.batches import SPLITS
from pipelines.errors import UserError

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif")

# A link to nothing is one document that cannot be read, not the end of all others.
_NOTHING = files.Stat(size=0, changed=0)
# Of a folder: train, train_64x64, train2017, training, val, valid, validation, test …
_SPLIT = re.compile(r"(train(?:ing)?|val(?:id(?:ation)?)?|test)[-_.]?(?:\d+(?:x\d+)?)?")

# Before the names of sets of TensorFlow Datasets; see `tfds_source`.
TFDS = "tfds:"


class Document(NamedTuple):
    """One document to encode, and the reading of it.

    Attributes:
        name: str. Its path within the input folder.
        path: str. Its whole path.
        part: str. "whole", or the split that a part of the file belongs to.
        size: int. Bytes of the file; 0 for a link to nothing.
        changed: int. When the file was last written, in nanoseconds, or 0.
    """

    name: str
    path: str
    part: str
    size: int
    changed: int

    @property
    def version(self):
        """What changes when what it holds does."""
        return self.part, self.size, self.changed

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
    present = [name for name in SPLITS if tf.io.gfile.isdir(tf.io.gfile.join(folder, name))]
    # Of files without a split, the same rest would be validation and test.
    documents, others = {}, collections.Counter()
    for split in present or ("train", "validation"):
        found, whole = corpus.find_files(folder, split)
        documents[split] = _documents(folder, found.paths, "whole" if whole else split)
        others = others + found.others if whole else found.others
    files.tell_of_others(folder, others, (corpus.SUFFIX,))
    if present:
        _check_held_out(documents)
    return documents


def _check_held_out(documents):
    """Refuses a text to train on that another split holds as well, by a link."""
    others = [documents[split] for split in documents if split != "train"]
    train = {os.path.realpath(d.path): d.path for d in documents.get("train", ())}
    for document in itertools.chain.from_iterable(others):
        if found := train.get(os.path.realpath(document.path)):
            raise UserError(
                f"{found!r} and {document.path!r} are the same file, by a link: what is trained on "
                "must not be measured on, remove the link"
            )


def _documents(folder, paths, part="whole", missing=_NOTHING):
    stats = files.stats(paths, folder, missing)
    return [
        Document(os.path.relpath(path, folder), path, part, stat.size, stat.changed)
        for path, stat in zip(paths, stats, strict=True)
    ]


def find_images(folder):
    """Image files: folders for `train`, `valid` and `test`, or any folder without them.

    `train_64x64` and `valid_64x64` are those of downsampled ImageNet, `train2017` those of COCO. Of
    files without a split, a twentieth is for validation: which, follows from their names.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: no such folder, no images in it, or images beside the folders of splits.
    """
    if not tf.io.gfile.isdir(folder):
        raise UserError(f"no folder {folder!r}: give one with images")
    paths, others = files.find(folder, _IMAGES)
    if not paths:
        raise UserError(f"no images in {folder!r}: they are named {', '.join(_IMAGES)}")
    files.tell_of_others(folder, others, _IMAGES)
    every = _documents(folder, paths)
    splits = [_split_of(document.name) for document in every]
    if not any(splits):
        splits = [_drawn_split(document.name) for document in every]
    if not all(splits):
        stray = every[splits.index(None)].path
        raise UserError(
            f"{stray!r} is of no split, while others are in folders named train…, valid… or test…: "
            "move it into one of them, or away"
        )
    documents = {}
    for split, document in zip(splits, every, strict=True):
        documents.setdefault(split, []).append(document)
    return documents


def find_music(folder):
    """MIDI files as MAESTRO lays them out: a table `maestro-v….csv` says the split of each.

    Returns:
        dict of str to list of `Document`.

    Raises:
        UserError: no table, or more than one, a split that there is not, or a file that is missing.
    """
    # Not by gfile.glob: the folder's own name may hold what that takes for a pattern.
    names = files.listdir(folder) if tf.io.gfile.isdir(folder) else []
    tables = [tf.io.gfile.join(folder, name) for name in fnmatch.filter(names, "maestro-v*.csv")]
    if len(tables) != 1:
        raise UserError(
            f"{folder!r} holds {len(tables)} tables maestro-v*.csv, not one: give MAESTRO's folder"
        )
    splits = _splits_in_table(tables[0])
    paths = [tf.io.gfile.join(folder, name) for name in splits]
    for path in paths:
        files.check_regular(path)
    beside = set(files.find(folder, (".mid", ".midi")).paths) - set(paths)
    if beside:
        print(
            f"left out: {len(beside):,} MIDI files in {folder} that its table does not name, such "
            f"as {min(beside)!r}",
            file=sys.stderr,
        )
    documents = {}
    # A table that promises more than there is, is a copy that is not done.
    found = _documents(folder, paths, missing=None)
    for document, split in zip(found, splits.values(), strict=True):
        documents.setdefault(split, []).append(document)
    return documents


def _splits_in_table(table):
    """dict of the name of each MIDI file to its split."""
    text = remote.content(table).decode("utf-8-sig", "replace")
    splits = {}
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        if not rows or not {"midi_filename", "split"} <= rows[0].keys():
            raise ValueError("no columns midi_filename and split")
        for number, row in enumerate(rows, 2):
            name, split = row["midi_filename"], row["split"]
            if not name or split not in SPLITS:
                raise ValueError(f"row {number} has the file {name!r} in the split {split!r}")
            if name.startswith("/") or posixpath.normpath(name) != name or ".." in name.split("/"):
                raise ValueError(f"row {number} names {name!r}, no plain path within the folder")
            if name in splits:
                raise ValueError(f"row {number} names {name!r} again")
            splits[name] = split
    except (ValueError, csv.Error) as error:
        raise UserError(f"{table!r} is no whole table of MAESTRO ({error}): copy it again") from (
            error
        )
    return splits


def _split_of(name):
    """The split that a path's first folder is named for, or None."""
    first, slash, _ = name.partition("/")
    found = _SPLIT.fullmatch(first.lower()) if slash else None
    kinds = {"tr": "train", "va": "validation", "te": "test"}
    return kinds[found[1][:2]] if found else None


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
    return FINDERS[dataset](folder.rstrip("/") or "/")
