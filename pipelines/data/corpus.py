"""Books in memory: all the bytes of one split in one array. D documents."""

import codecs
import concurrent.futures
import dataclasses
import os
import sys

import numpy as np
import tensorflow as tf

from pipelines import remote
from pipelines.data import files
from pipelines.data.batches import SPLITS, check_split
from pipelines.errors import UserError

SUFFIX = ".txt"
# What the folder of a split is called elsewhere.
_LIKE_SPLITS = (*SPLITS, "training", "valid", "val", "dev", "eval", "testing")
_CHUNK = 1 << 24  # bytes that are decoded at a time
# TensorFlow takes over an array without a copy when it starts at a multiple of this.
_ALIGNMENT = 64


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The documents of one split, end to end.

    Attributes:
        data: uint8 (bytes,). Starts at a multiple of 64 bytes.
        offsets: int64 (D + 1,). Document d is data[offsets[d]:offsets[d + 1]]; none is empty.
        names: tuple of D str, the files they came from.
    """

    data: np.ndarray
    offsets: np.ndarray
    names: tuple

    @property
    def num_bytes(self):
        """Bytes of all documents."""
        return int(self.offsets[-1])

    @property
    def num_documents(self):
        """D."""
        return len(self.names)

    @property
    def num_events(self):
        """int64 (D,). Events of each document: SOS, its bytes, EOS."""
        return np.diff(self.offsets) + 2

    @classmethod
    def load(cls, path, split):
        """Reads one split of a folder of UTF-8 text files.

        A folder with `train/`, `validation/` or `test/` is taken to be in PG-19's layout, where a
        split is the `*.txt` files in its folder. Any other folder is searched for `*.txt` files,
        its subfolders too; then the first 95 % of each file's bytes are `train`, and the rest is
        both `validation` and `test` (the cut is moved back to the start of a character, and each
        part counts as a document of its own). Hidden files and folders are skipped.

        Files come in sorted order. A byte order mark is dropped, line ends are kept as they are.
        Memory: the bytes of the split once, and while reading one more file for each of 16 threads.

        Args:
            path: str or path. A local folder, or `gs://bucket/prefix`.
            split: str. "train", "validation" or "test".

        Returns:
            `Corpus`.

        Raises:
            UserError: unknown split, no such folder, no text files, or a file that is empty, not
                UTF-8 or unreadable.
        """
        path = os.path.expanduser(os.fspath(path))
        found, whole = find_files(path, split)
        paths = found.paths
        part = "whole" if whole else split
        # Sizes come first, so that every file can be read straight into its place.
        sizes = files.sizes(paths, path)
        room = np.array([_most_bytes(size, part) for size in sizes], np.int64)
        with concurrent.futures.ThreadPoolExecutor(files.NUM_THREADS) as executor:
            starts = np.cumsum(room) - room
            data = _aligned_bytes(int(room.sum()))

            def read_into_place(file, size, start):
                text = read_text(file, size, part)
                data[start : start + len(text)] = np.frombuffer(text, np.uint8)
                return len(text)

            results = executor.map(read_into_place, paths, sizes, starts)
            lengths = np.array(list(files.report(results, paths, path, "read")), np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Close the gaps that byte order marks and cuts left.
        for start, length, offset in zip(starts, lengths, offsets[:-1], strict=True):
            if start != offset:
                data[offset : offset + length] = data[start : start + length]
        kept = lengths > 0
        if not kept.any():
            raise UserError(
                f"the files in {path!r} are too short to set aside 5 % of each: "
                "put files into its folders train, validation and test"
            )
        return cls(
            data=data[: offsets[-1]],
            offsets=np.concatenate([[0], np.cumsum(lengths[kept])]),
            names=tuple(file for file, keep in zip(paths, kept, strict=True) if keep),
        )


def find_files(path, split):
    """The text files of a split; see `Corpus.load`.

    Args:
        path: str. The folder.
        split: str.

    Returns:
        `files.Found`, and whether the files belong to the split as a whole.

    Raises:
        UserError: unknown split, no such folder, no text files.
    """
    check_split(split)
    if not tf.io.gfile.isdir(path):
        raise UserError(
            f"no folder {path!r}: give one with train/, validation/ and test/, or with *.txt files"
        )
    present = [name for name in SPLITS if tf.io.gfile.isdir(tf.io.gfile.join(path, name))]
    folder = tf.io.gfile.join(path, split) if present else path
    if present and split not in present:
        raise UserError(
            f"{path!r} has no folder {split!r} (there is {', '.join(present)}): "
            "add it, or ask for a split that is there"
        )
    if present and split == present[0]:  # once, not for every split
        _name_what_lies_beside(path)
    if not present:
        _check_no_split(path)
    found = files.find(folder, (SUFFIX,))
    if not found.paths:
        raise UserError(f"no *.txt files in {folder!r}: each book is a text file named <id>.txt")
    return found, bool(present)


def _check_no_split(path):
    """Refuses folders that seem to be splits: their files would be cut and mixed."""
    for name in files.listdir(path):
        plain = name.rstrip("/")
        if plain.lower() in _LIKE_SPLITS and files.is_folder(name, tf.io.gfile.join(path, plain)):
            raise UserError(
                f"{path!r} has a folder {plain!r}: name the folders of splits "
                f"{', '.join(SPLITS)}, or give another name to what is none"
            )


def _name_what_lies_beside(path):
    """Text beside the folders of splits belongs to none: nobody should have to miss it later."""
    beside = [
        name
        for name in sorted(files.listdir(path))
        if name.rstrip("/") not in SPLITS
        and not name.startswith(".")
        and (name.lower().endswith(SUFFIX) or files.is_folder(name, tf.io.gfile.join(path, name)))
    ]
    if beside:
        more = f" and {len(beside) - 1:,} more" if len(beside) > 1 else ""
        print(
            f"left out: {beside[0]!r}{more} in {path}, beside the folders of its splits "
            f"({', '.join(SPLITS)})",
            file=sys.stderr,
        )


def read_text(file, size, part):
    """Bytes of a text file, or of the part of it that belongs to a split.

    Args:
        file: str.
        size: int. Its bytes.
        part: str. "whole", or the split whose part it is.

    Returns:
        bytes, UTF-8 without a byte order mark; none where the part is empty.

    Raises:
        UserError: a file that cannot be read, is empty or no UTF-8.
    """
    try:
        data = remote.read(file, size)
    except remote.ShortRead as error:
        raise remote.Away(
            f"{file!r} is not read whole ({error}): wait until it is complete"
        ) from error
    except tf.errors.OpError as error:
        raise files.unreadable(file, error) from error
    data = check_text(
        data,
        file,
        convert="; convert it, for example with iconv -f LATIN1 -t UTF-8",
        fill=": delete it, or give it its text",
    )
    if part == "whole":
        return data
    cut = _cut(len(data))
    # Bytes 10xxxxxx continue a character: it goes to the second part as a whole.
    while data[cut] & 0xC0 == 0x80:
        cut -= 1
    return data[:cut] if part == "train" else data[cut:]


def check_text(data, name, convert="", fill=""):
    """Text without its byte order mark, if it is text.

    Args:
        data: bytes.
        name: str. What a message calls it.
        convert: str. What a message advises where it is not UTF-8.
        fill: str. The same, where there is nothing in it.

    Returns:
        bytes.

    Raises:
        UserError: empty, only white space or no UTF-8.
    """
    decoder, is_blank = codecs.getincrementaldecoder("utf-8")(), True
    for start in range(0, len(data), _CHUNK):  # the whole would take up to four times its bytes
        part = data[start : start + _CHUNK]
        try:
            text = decoder.decode(part, final=start + _CHUNK >= len(data))
        except UnicodeDecodeError as error:
            # It counts from the character that the part before has begun.
            offset = start + error.start - (len(error.object) - len(part))
            place = f"byte 0x{data[offset]:02x} at offset {offset}"
            raise UserError(f"{name!r} is not UTF-8: {place}{convert}") from error
        if start == 0:
            text = text.removeprefix("\ufeff")
        is_blank = is_blank and (not text or text.isspace())
    if is_blank:
        raise UserError(f"{name!r} is empty or only white space{fill}")
    return data.removeprefix(codecs.BOM_UTF8)


def _cut(size):
    return size * 95 // 100


def _most_bytes(size, part):
    """No part of a file of this size is longer (the cut moves back by 3 bytes at most)."""
    return {"whole": size, "train": _cut(size)}.get(part, size - _cut(size) + 3)


def _aligned_bytes(size):
    data = np.empty(size + _ALIGNMENT, np.uint8)
    skip = -data.ctypes.data % _ALIGNMENT
    return data[skip : skip + size]
