"""Books in memory: all the bytes of one split in one array. D documents."""

import codecs
import concurrent.futures
import dataclasses
import os
import sys
import time

import numpy as np
import tensorflow as tf

from pipelines import remote
from pipelines.data.batches import SPLITS, check_split
from pipelines.errors import UserError

# Remote buckets answer slowly but many at a time.
_NUM_THREADS = 16
_REPORT_SECONDS = 10.0
# TensorFlow takes over an array without a copy when it starts at a multiple of this.
_ALIGNMENT = 64
# For those who still ask for it here.
join = tf.io.gfile.join


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
        part counts as a document of its own). Hidden files are skipped.

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
        files, whole = find_files(path, split)
        part = "whole" if whole else split
        # Sizes come first, so that every file can be read straight into its place.
        file_sizes = sizes(files, path)
        room = np.array([_most_bytes(size, part) for size in file_sizes], np.int64)
        with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as executor:
            starts = np.cumsum(room) - room
            data = _aligned_bytes(int(room.sum()))

            def read_into_place(file, size, start):
                text = read_text(file, size, part)
                data[start : start + len(text)] = np.frombuffer(text, np.uint8)
                return len(text)

            results = executor.map(read_into_place, files, file_sizes, starts)
            lengths = np.array(list(_report(results, files, path, "read")), np.int64)
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
            names=tuple(file for file, keep in zip(files, kept, strict=True) if keep),
        )


def find_files(path, split):
    """The text files of a split; see `Corpus.load`.

    Args:
        path: str. The folder.
        split: str.

    Returns:
        Sorted list of paths, and whether the files belong to the split as a whole.

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
    files = sorted(_text_files(folder))
    if not files:
        raise UserError(f"no *.txt files in {folder!r}: each book is a text file named <id>.txt")
    return files, bool(present)


def _text_files(folder, within=()):
    # Not gfile.walk: it asks for each entry whether it is a folder, a request per file on a bucket.
    try:
        names = tf.io.gfile.listdir(folder)
    except tf.errors.OpError as error:
        raise _unreadable(folder, error) from error
    within = (*within, os.path.realpath(folder))
    for name in names:
        plain = name.rstrip("/")
        path = tf.io.gfile.join(folder, plain)
        if not plain or plain.startswith("."):
            continue
        if name.endswith(".txt"):
            if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
                raise UserError(f"{path!r} is no regular file: reading it might never end")
            yield path
        elif name.endswith("/") or tf.io.gfile.isdir(path):
            if os.path.realpath(path) in within:  # a link to a folder that it lies in
                raise UserError(f"{path!r} is a link to a folder that holds it: remove the link")
            yield from _text_files(path, within)


def sizes(files, path):
    """List of the bytes of files of a folder, asked for many at a time.

    Raises:
        UserError: a file that cannot be looked at.
    """
    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as executor:
        return list(_report(executor.map(_size, files), files, path, "sized"))


def _size(file):
    try:
        return remote.size(file)
    except tf.errors.OpError as error:
        raise _unreadable(file, error) from error


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
        raise UserError(
            f"{file!r} is not read whole ({error}): wait until it is complete"
        ) from error
    except tf.errors.OpError as error:
        raise _unreadable(file, error) from error
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
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise UserError(f"{name!r} is not UTF-8: {place}{convert}") from error
    text = text.removeprefix("\ufeff")
    if not text or text.isspace():
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


def _report(results, files, path, verb):
    """Passes results on, with a line on stderr every ten seconds: a silent minute looks hung."""
    last = time.monotonic()
    for done, result in enumerate(results, 1):
        if time.monotonic() - last >= _REPORT_SECONDS:
            last = time.monotonic()
            print(f"{verb} {done:,} of {len(files):,} files of {path}", file=sys.stderr)
        yield result


def _unreadable(file, error):
    reason = " ".join(str(error.message).split())
    return UserError(f"cannot read {file!r} ({reason}): check that it is there and may be read")
