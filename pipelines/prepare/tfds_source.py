"""TensorFlow Datasets (TFDS) as raw data: sets that are prepared in a folder, read range by range.

Nothing is downloaded or generated here. A set is found by its files, not by the code that made it:
that code would ask a public bucket about what is not there.
"""

import difflib
import functools
import sys
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import naming, read_only_builder, registered

from pipelines import image_files, remote
from pipelines.command_line import one_line, user_errors
from pipelines.data import corpus, files
from pipelines.data.batches import SPLITS
from pipelines.errors import UserError
from pipelines.prepare.documents import TFDS

# What the document of an example is called in most sets: the first that there is.
_USUAL = ("book_text", "text", "image")
# As `make_encoder` calls them.
_ENCODINGS = {"text": "text", "image": "imagenet64"}
# File after file: TFDS would mix them, and an example's number would not be its place.
_IN_ORDER = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)


class Source(NamedTuple):
    """A set that was found.

    Attributes:
        dataset: str. Its name with configuration and version, for the manifest.
        encoding: str. "text" or "imagenet64", as `make_encoder` calls them.
        documents: dict of split to list of `Range`.
    """

    dataset: str
    encoding: str
    documents: dict


class Example(NamedTuple):
    """One example as a document; see `Document`.

    Attributes:
        name: str. Split and number.
        content: bytes. UTF-8 text, or an image file.
    """

    name: str
    content: bytes

    @property
    def path(self):
        """What a message calls it."""
        return self.name

    def text(self):
        """bytes: UTF-8."""
        return corpus.check_text(self.content, self.name)

    def image(self, size):
        """uint8 (S, S, 3): see `image_files.read`."""
        return image_files.read(self.content, size, repr(self.name))


class Range(NamedTuple):
    """Examples start … stop − 1 of a split: what one shard holds, and all that its writer reads.

    Attributes:
        directory: str. Of the set's version.
        split: str.
        start: int.
        stop: int.
        feature: str. Text or image; the others are not read.
        size: int. Bytes of the set's files that they take, about.
    """

    directory: str
    split: str
    start: int
    stop: int
    feature: str
    size: int

    @property
    def name(self):
        """As TFDS writes it."""
        return f"{self.split}[{self.start}:{self.stop}]"

    @property
    def version(self):
        """What is read of each example, and how much of the set's files that is."""
        return self.feature, self.size

    def each(self):
        """Yields an `Example` after another, in the order of the files.

        Raises:
            remote.ShortRead: a file that cannot be read, or breaks off. TFDS counts the examples,
                so a file that ends early between two of them is noticed, at the end of the range.
            UserError: the set is not there any more.
        """
        builder = _load(self.directory)
        only = tfds.decode.PartialDecoding({self.feature: True})
        if isinstance(builder.info.features[self.feature], tfds.features.Image):
            # Left as files, images are decoded and cut as those of folders, and a broken one is one
            # document that cannot be used instead of the end of the range.
            decoders = {self.feature: tfds.decode.SkipDecoding()}
            only = tfds.decode.PartialDecoding({self.feature: True}, decoders)
        part = tfds.core.ReadInstruction(self.split, from_=self.start, to=self.stop, unit="abs")
        try:
            data = builder.as_dataset(part, read_config=_IN_ORDER, decoders=only)
            for index, example in enumerate(data.as_numpy_iterator(), self.start):
                yield Example(f"{self.split}[{index}]", example[self.feature])
        except tf.errors.OpError as error:
            reason = one_line(error.message)
            raise remote.ShortRead(
                f"{self.name} cannot be read whole from {self.directory!r} ({reason}): copy the "
                "set again, or build it anew"
            ) from error


def find(name, folder, feature, shard_bytes):
    """A set by its name.

    Args:
        name: str. "pg19", "wiki40b/en", "lm1b:1.*.*" …
        folder: str. TFDS' data directory, local or `gs://…`.
        feature: str or None. What of each example is the document, a text or an image. None takes
            `book_text`, `text` or `image`.
        shard_bytes: int. About how many bytes of the set's files a range takes.

    Returns:
        `Source`.

    Raises:
        UserError: no such set in the folder, or no such feature in the set.
    """
    builder = _find_builder(name, folder)
    info = builder.info
    if info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"{name!r} is stored as {info.file_format.value}: build it with --file_format=tfrecord"
        )
    feature, kind = _choose(info, feature)
    documents = {
        split: _ranges(str(builder.data_dir), info.splits[split], feature, shard_bytes)
        for split in SPLITS
        if split in info.splits and info.splits[split].num_examples
    }
    if not documents:
        raise UserError(
            f"{info.full_name} has no examples of {', '.join(SPLITS)} (its splits are "
            f"{', '.join(info.splits) or 'none'}): name a set that has some"
        )
    others = [split for split in info.splits if split not in SPLITS]
    if others:
        print(
            f"{info.full_name} also has {', '.join(others)}: left out, for there are "
            f"{', '.join(SPLITS)} only",
            file=sys.stderr,
        )
    return Source(TFDS + info.full_name, _ENCODINGS[kind], documents)


def _find_builder(name, folder):
    try:
        plain = naming.parse_builder_name_kwargs(name)[0].name
    except ValueError as error:
        raise UserError(
            f"--dataset={TFDS}{name} names no set: write {TFDS}NAME, {TFDS}NAME/CONFIG or "
            f"{TFDS}NAME/CONFIG:VERSION"
        ) from error
    # Of torn files it raises whatever its parsers do.
    with user_errors(Exception, hint=f" (reading {name!r} in {folder!r}: build it anew)"):
        if not tf.io.gfile.isdir(folder):
            raise UserError(f"no folder {folder!r}: give the data directory of TensorFlow Datasets")
        try:
            return remote.try_again(read_only_builder.builder_from_files)(name, data_dir=folder)
        except registered.DatasetNotFoundError as error:
            raise UserError(_missing(name, plain, folder)) from error


def _missing(name, plain, folder):
    """What to say where a set is not there, which nothing here will download."""
    known = tfds.list_builders(with_community_datasets=False)
    place = tf.io.gfile.join(folder, plain)
    there = tf.io.gfile.listdir(place) if tf.io.gfile.isdir(place) else []
    # Configurations or versions; the rest is what TFDS keeps for itself, or has not finished.
    there = [entry.rstrip("/") for entry in there if not entry.startswith((".", "incomplete"))]
    found = f" (of it there is {', '.join(sorted(there))})" if there else ""
    if not there and plain not in known:
        like = " or ".join(difflib.get_close_matches(plain, known))
        remedy = f"did you mean {like}?" if like else "see `tfds.list_builders()`"
        return f"TensorFlow Datasets knows no {plain!r}, and {folder!r} holds none: {remedy}"
    return (
        f"{name!r} is not prepared in {folder!r}{found}, and nothing is downloaded here: run "
        f"`tfds build {name} --data_dir={folder}` first (or `download_and_prepare`)"
        f"{', or name what is there' if there else ''}"
    )


@functools.lru_cache
def _load(directory):
    """The builder of a set's version, once in each process that writes shards."""
    with user_errors(Exception, hint=f" (every worker must be able to read {directory!r})"):
        return remote.try_again(tfds.builder_from_directory)(directory)


def _choose(info, feature):
    """Name of the feature that is the document, and its kind."""
    features = info.features if isinstance(info.features, tfds.features.FeaturesDict) else {}
    kinds = {name: _kind(each) for name, each in features.items() if _kind(each)}
    if not kinds:
        raise UserError(f"{info.full_name} holds neither text nor images: name another set")
    found = next((name for name in ([feature] if feature else _USUAL) if name in kinds), None)
    if not found:
        wanted = repr(feature) if feature else ", ".join(_USUAL)
        listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(kinds.items()))
        raise UserError(
            f"{info.full_name} has no text or image {wanted}: choose with --feature=NAME from "
            f"{listed}"
        )
    return found, kinds[found]


def _kind(feature):
    """What a feature is: "text", a string; "image", one of 8 bits; or None."""
    if isinstance(feature, tfds.features.Image):
        return "image" if feature.np_dtype == np.uint8 and len(feature.shape) == 3 else None
    is_text = isinstance(feature, tfds.features.Tensor) and feature.np_dtype == np.object_
    return "text" if is_text and feature.shape == () else None


def _ranges(directory, split, feature, shard_bytes):
    """A split in parts of about so many bytes, and of the same number of examples but for one."""
    # The sizes of files rather than `num_bytes`: that may be 0, and a file may be missing.
    size = sum(files.sizes([str(path) for path in split.filepaths], directory))
    count = split.num_examples
    number = max(1, round(min(count, size / shard_bytes)))
    cuts = [count * index // number for index in range(number + 1)]
    ends = [size * cut // count for cut in cuts]
    return [
        Range(directory, split.name, *places, feature, high - low)
        for places, (low, high) in zip(pairwise(cuts), pairwise(ends), strict=True)
    ]
