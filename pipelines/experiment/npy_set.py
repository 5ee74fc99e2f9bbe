"""What a set of .npy files says of itself: the file that makes it whole. Without TensorFlow.

A set is a local folder of arrays that are mapped into memory, and `npy.json`, which is written
last. Of each split there are `<split>.tokens.npy`, uint8 or uint16 (tokens,), the data tokens of
all documents end to end, less the reserved ids; `<split>.offsets.npy`, int64 (D + 1,), where each
document begins and the last one ends; and of text `<split>.bytes.npy` and `<split>.words.npy`,
int64 (D,), as shards count them. `positions.npy` is int32 (E, P), the positions of every event of a
document, where the codec has some. What else the codec needs lies beside them.
"""

import dataclasses
import hashlib
import json
import os

import numpy as np

from pipelines.errors import UserError

FILE = "npy.json"
VERSION = 1
POSITIONS = "positions.npy"
# How many bytes a token takes, and what it is in a file.
TOKEN_TYPES = {1: np.dtype("u1"), 2: np.dtype("<u2")}
_REMEDY = f"copy the whole folder again, or delete {FILE} and give the same prepare command"


@dataclasses.dataclass(frozen=True)
class NpySet:
    """A set of .npy files.

    Attributes:
        dataset: str. As the manifest of shards has it, and so are the next five.
        codec: dict. `name` and its settings.
        vocab_size: int. V, the three reserved ids included.
        token_bytes: int. 1 or 2.
        ends: bool. Whether a document is followed by EOS.
        fingerprint: str. Of settings and raw files, by which `pipelines.prepare` knows its own set.
        splits: dict of str to dict. `documents` and `tokens` (int) of each split that has some.
        skipped: dict of str to dict of str to str. Of each split, documents left out, and why.
        files: dict of str to dict. `size` (int) and `sha256` (str) of each file.
        version: int.
    """

    dataset: str
    codec: dict
    vocab_size: int
    token_bytes: int
    ends: bool
    fingerprint: str
    splits: dict
    skipped: dict
    files: dict
    version: int = VERSION

    def to_json(self):
        """Text of the file, with a digest that tells whether it was edited."""
        content = dataclasses.asdict(self)
        return json.dumps({**content, "digest": _digest(content)}, indent=1)


def array_file(split, what):
    """Name of an array of a split: of its "tokens", "offsets", "bytes" or "words"."""
    return f"{split}.{what}.npy"


def load(path):
    """Reads `npy.json`.

    Args:
        path: str. The folder.

    Returns:
        `NpySet`.

    Raises:
        UserError: none there, torn or edited, or of another version.
    """
    file = os.path.join(path, FILE)
    try:
        with open(file, encoding="utf-8") as stream:
            content = json.load(stream)
        version, digest = content["version"], content.pop("digest")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{path!r} holds no {FILE}: prepare it with `python -m pipelines.prepare --format=npy`"
            ", or wait until that is done"
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _edited(file, error) from error
    if version != VERSION:
        raise UserError(
            f"{file!r} has version {version!r}, this program reads {VERSION}: prepare the set "
            "again, or use the program that made it"
        )
    if digest != _digest(content):
        raise _edited(file, "its digest is another one")
    return NpySet(**content)


def check_sizes(path, files):
    """Refuses a set of which a file is missing, or not as long as it was.

    Args:
        path: str. The folder.
        files: dict, `NpySet.files`.

    Raises:
        UserError: names the first one.
    """
    for name, entry in files.items():
        file = os.path.join(path, name)
        if not os.path.exists(file):
            raise UserError(f"{file!r} is missing: {_REMEDY}")
        size = os.path.getsize(file)
        if size != entry["size"]:
            raise UserError(f"{file!r} has {size:,} bytes instead of {entry['size']:,}: {_REMEDY}")


def check_contents(path, files):
    """Refuses a set that is not what it was; reads every byte. As `check_sizes`."""
    check_sizes(path, files)
    for name, entry in files.items():
        if checksum(os.path.join(path, name)) != entry["sha256"]:
            raise damaged(os.path.join(path, name), "its checksum is another one")


def checksum(file):
    """SHA-256 of a local file, in hexadecimal digits.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(file, error) from error


def read_array(path, name, dtype, shape):
    """An array of a set, mapped into memory.

    Args:
        path: str. The folder.
        name: str. Of the file.
        dtype: of numpy.
        shape: tuple of int, or int, which is how many dimensions there are.

    Raises:
        UserError: another array, or none.
    """
    file = os.path.join(path, name)
    try:
        # Not `np.load`, which takes what is damaged for an archive or a pickle.
        array = np.lib.format.open_memmap(file, mode="r").view(np.ndarray)
    except OSError as error:
        raise _unreadable(file, error) from error
    except Exception as error:  # of a header, of whatever kind numpy's parsers raise
        raise damaged(file, error) from error
    if array.dtype != dtype or shape not in (array.shape, array.ndim):
        raise damaged(file, f"it is an array of {array.dtype} {array.shape}")
    return array


def damaged(file, reason):
    """`UserError` of a file that is not what it was."""
    return UserError(f"{file!r} is damaged ({reason}): {_REMEDY}")


def _unreadable(file, error):
    return UserError(f"cannot read {file!r} ({error.strerror}): check that it may be read")


def _edited(file, reason):
    return UserError(
        f"{file!r} is torn or was edited ({reason}): delete it and give the same prepare command"
    )


def _digest(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
