"""What a set of token shards says of itself: the file that makes it whole.

A set is a folder of TFRecord files and `manifest.json`, which is written last. Every record is a
`tf.train.Example` of one document: `tokens`, its data tokens less the reserved ids, in 1 or 2 bytes
each (little endian), and `name`, the file that it came from, or its place in a split of TFDS.
"""

import dataclasses
import hashlib
import json

import numpy as np
import tensorflow as tf

from pipelines import remote
from pipelines.command_line import user_errors
from pipelines.data import files
from pipelines.data.batches import check_split
from pipelines.data.manifest_checks import check_manifest
from pipelines.errors import UserError

FILE = "manifest.json"
SCHEMA_VERSION = 1
_REMEDY = "copy the whole folder again, or delete this file and give the same prepare command"
# How many bytes a token takes, and what reads it in a graph.
TOKEN_TYPES = {1: tf.uint8, 2: tf.uint16}


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        file: str. Its name within the folder.
        size: int. Its bytes.
        sha256: str.
        documents: int. Records.
        document_tokens: list of int, or int where all are alike. Data tokens of each document.
        document_bytes: the same, of its UTF-8 bytes; 0 for what is no text.
        document_words: the same, of its words between white space, as PG-19 counts them.
        skipped: dict of str to str. Files that were left out, and why.
    """

    file: str
    size: int
    sha256: str
    documents: int
    document_tokens: list | int
    document_bytes: list | int
    document_words: list | int
    skipped: dict = dataclasses.field(default_factory=dict)

    def tokens(self):
        """int64 (documents,): data tokens of each document."""
        return self.each("tokens")

    def each(self, what):
        """int64 (documents,): the "tokens", "bytes" or "words" of each document."""
        numbers = np.asarray(getattr(self, f"document_{what}"), np.int64)
        return np.broadcast_to(numbers, (self.documents,))

    @property
    def bytes(self):
        """UTF-8 bytes of all documents."""
        return self._sum(self.document_bytes)

    @property
    def words(self):
        """Words of all documents."""
        return self._sum(self.document_words)

    def _sum(self, numbers):
        return sum(numbers) if isinstance(numbers, list) else numbers * self.documents


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A set of shards.

    Attributes:
        dataset: str. "pg19", "text", "imagenet64", "maestro", or "tfds:…" with its version.
        codec: dict. `name` ("bytes", "sentencepiece", "image", "performance") and its settings.
        vocab_size: int. V, the three reserved ids included.
        token_bytes: int. 1 or 2.
        ends: bool. Whether a document is followed by EOS.
        fingerprint: str. Of settings and raw files, by which `pipelines.prepare` knows its own set.
        splits: dict of str to list of `Shard`.
    """

    dataset: str
    codec: dict
    vocab_size: int
    token_bytes: int
    ends: bool
    fingerprint: str
    splits: dict
    schema_version: int = SCHEMA_VERSION

    def shards(self, split, path):
        """The shards of a split.

        Args:
            split: str.
            path: str. The set's folder, for messages.

        Raises:
            UserError: unknown, absent or empty.
        """
        check_split(split)
        shards = [shard for shard in self.splits.get(split, []) if shard.documents]
        if not shards:
            there = [
                name for name, shards in self.splits.items() if any(s.documents for s in shards)
            ]
            raise UserError(
                f"the shards in {path!r} hold no document of the split {split!r} (there is "
                f"{', '.join(there) or 'none'}): prepare them from a folder that has some"
            )
        return shards

    @property
    def identity(self):
        """str. Of what the shards hold: that of the same data prepared elsewhere or later."""
        contents = {
            split: [
                [shard.file, shard.sha256, shard.documents, shard.document_tokens]
                for shard in shards
            ]
            for split, shards in self.splits.items()
        }
        what = json.dumps([self.codec, contents], sort_keys=True)
        return hashlib.sha256(what.encode()).hexdigest()

    def to_json(self):
        """Text of the file."""
        return json.dumps(dataclasses.asdict(self), indent=1)


def is_set(path):
    """Whether a folder holds a set of shards that is whole."""
    return tf.io.gfile.exists(tf.io.gfile.join(path, FILE))


def load(path):
    """Reads `manifest.json`.

    Args:
        path: str. The folder, local or `gs://…`.

    Returns:
        `Manifest`.

    Raises:
        UserError: none there, torn or edited, or of another version.
    """
    file = tf.io.gfile.join(path, FILE)
    with user_errors(tf.errors.OpError):
        there = is_set(path)
    if not there:
        raise UserError(
            f"{path!r} holds no {FILE}: prepare it with `python -m pipelines.prepare`, or wait "
            "until that is done"
        )
    data = remote.content(file)
    try:
        content = json.loads(data)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise edited(path, error) from error
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{file!r} has version {version!r}, this program reads {SCHEMA_VERSION}: prepare the "
            "shards again, or use the program that made them"
        )
    try:
        content["splits"] = {
            split: [Shard(**shard) for shard in shards]
            for split, shards in content["splits"].items()
        }
        manifest = Manifest(**content)
        check_manifest(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise edited(path, error) from error
    return manifest


def edited(path, reason):
    """`UserError` of a manifest that says what cannot be.

    Args:
        path: str. The set's folder.
        reason: what can be said of it.
    """
    file = tf.io.gfile.join(path, FILE)
    return UserError(f"{file!r} is torn or was edited ({reason}): prepare the shards again")


def check_files(path, shards):
    """Refuses shards of which a file is missing, or not as long as it was.

    Args:
        path: str. The folder.
        shards: list of `Shard`.

    Raises:
        UserError: names the first one.
    """
    there = set(files.listdir(path))
    paths = [tf.io.gfile.join(path, shard.file) for shard in shards]
    for shard, file in zip(shards, paths, strict=True):
        if shard.file not in there:
            raise UserError(f"{file!r} is missing: {_REMEDY}")
    for shard, file, size in zip(shards, paths, files.sizes(paths, path), strict=True):
        if size != shard.size:
            raise UserError(f"{file!r} has {size:,} bytes instead of {shard.size:,}: {_REMEDY}")


def check_contents(path, shards):
    """Refuses shards that are not what they were; reads every byte.

    That is too dear for every host at every start. A run looks at sizes before, and at the
    checksum of each record and the length of each document while it reads: enough for damage, but
    not for a shard that was replaced by one of the same lengths, which this alone tells.

    Args:
        path: str. The folder.
        shards: list of `Shard`.

    Raises:
        UserError: names the first one.
    """
    check_files(path, shards)
    for shard in shards:
        file = tf.io.gfile.join(path, shard.file)
        if checksum(file) != shard.sha256:
            raise UserError(f"{file!r} is damaged: its checksum is another one; {_REMEDY}")


def checksum(path):
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        UserError: it cannot be read.
    """
    digest = hashlib.sha256()
    with user_errors(tf.errors.OpError), tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
