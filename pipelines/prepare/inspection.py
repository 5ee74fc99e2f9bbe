"""A look into a set of shards: how long its documents are, and the first of them decoded."""

import os
import re
import sys
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines import figures, image_files
from pipelines.atomic_files import write_bytes, write_text
from pipelines.checks import check_integer
from pipelines.command_line import one_line, printable, user_errors
from pipelines.data import codecs, manifest
from pipelines.errors import UserError
from pipelines.prepare import summary

_CHARACTERS = 400  # of a text that are shown
_ZOOM = 4  # pixels of a picture for one of an image, each way
_WIDE = 10  # times as long as the shortest is the longest document, for a logarithmic axis
_BARS, _MEDIAN = figures.COLOURS[:2]
_FEATURES = {name: tf.io.FixedLenFeature((), tf.string) for name in ("name", "tokens")}


class Example(NamedTuple):
    """A document, or of a text its beginning.

    Attributes:
        name: str. The file that it came from.
        num_tokens: int. Of the whole document.
        token_ids: int32 (T,), without SOS and EOS.
    """

    name: str
    num_tokens: int
    token_ids: np.ndarray


def show(path, split="train", examples=4, output=None, check=False):
    """Prints what a set holds, and writes what a terminal cannot show.

    Args:
        path: str. Folder of the shards, local or `gs://…`.
        split: str. Where the examples are from.
        examples: int. How many of its first documents to decode.
        output: str or None. Folder for pictures and examples, local or `gs://…`.
        check: bool. Whether to read every byte and compare the checksums.

    Raises:
        UserError: no set, none of its documents in the split, a shard that is missing, too short or
            damaged where it was read, an output that cannot be written, or no matplotlib for it.
    """
    check_integer("--examples", examples, least=0)
    path = os.path.expanduser(path)
    # All reading comes first, so that half an answer is never printed.
    with user_errors(tf.errors.OpError):
        made = manifest.load(path)
        shards = made.shards(split, path)
        every = [shard for group in made.splits.values() for shard in group]
        manifest.check_files(path, every)
        codec = codecs.codec_of(made, path)
        # A character takes four bytes at most, and a piece of a text holds one at least.
        most = None if hasattr(codec, "write") else 4 * _CHARACTERS
        found = first_documents(path, shards, made.token_bytes, examples, most)
        if check:
            check_shards(path, every)
        picture, lengths = None, summary.lengths(made)
        low, high = _range(lengths)
        if output:
            output = os.path.expanduser(output)
            if low < high:
                picture = draw_lengths(lengths, summary.describe(made))
            tf.io.gfile.makedirs(output)
    summary.show(made)
    if check:
        print(f"every byte of {len(every):,} shards is what it was")
    documents = sum(shard.documents for shard in shards)
    for number, example in enumerate(found, 1):
        print(f"{split} {number} of {documents:,}: {printable(_caption(codec, example))}")
        if not hasattr(codec, "write"):
            print(printable(_text(codec, example)))
    if low == high:
        print(f"every document has {low:,} tokens: there is no picture of the lengths")
    if not output:
        pictures = "a picture of the lengths, and " if low < high else ""
        print(f"--output=DIR writes {pictures}these examples")
        return
    files = _write(codec, found, tf.io.gfile.join(output, f"{split}-examples"))
    if picture:
        files.insert(0, tf.io.gfile.join(output, "lengths.png"))
        write_bytes(files[0], picture)
    for file in files:
        print(f"wrote {file}")
    with user_errors(tf.errors.OpError):
        _remove_earlier(output, split, files)


def check_shards(path, shards, interval=5.0):
    """Reads every byte, and says on standard error every few seconds how far it is.

    Args:
        path: str. Folder of the shards.
        shards: list of `Shard`, whose files are there and long enough.
        interval: float. Seconds between two lines.

    Raises:
        UserError: names the first shard that is damaged.
    """
    total, done, said = sum(shard.size for shard in shards), 0, time.monotonic()
    for number, shard in enumerate(shards, 1):
        if manifest.checksum(tf.io.gfile.join(path, shard.file)) != shard.sha256:
            manifest.check_contents(path, [shard])  # it may have come short; if not, this says so
        done += shard.size
        if time.monotonic() - said >= interval:
            said = time.monotonic()
            part = f"{number:,} of {len(shards):,} shards, {done / total:.0%} of the bytes"
            print(f"checked {part}", file=sys.stderr)


def _range(lengths):
    """The least and the greatest length of all splits."""
    every = np.concatenate(list(lengths.values()))
    return int(every.min()), int(every.max())


def _remove_earlier(output, split, written):
    """Removes files that an earlier look wrote, of these names alone."""
    own = re.compile(rf"lengths\.png|{split}-examples(\.txt|\.png|-[1-9]\d*\.mid)")
    for name in sorted(tf.io.gfile.listdir(output)):
        file = tf.io.gfile.join(output, name)
        if own.fullmatch(name) and file not in written:
            tf.io.gfile.remove(file)
            print(f"removed {file}, of an earlier look")


def first_documents(path, shards, token_bytes, number, most=None):
    """The first documents of a split; nothing behind them is read.

    Args:
        path: str. The folder.
        shards: list of `manifest.Shard`.
        token_bytes: int.
        number: int. Of documents, if there are as many.
        most: int or None. Tokens to keep of each.

    Returns:
        list of `Example`.

    Raises:
        UserError: names a shard that is damaged.
    """
    found = []
    for shard in shards:
        wanted = shard.tokens()[: number - len(found)]
        if not wanted.size:
            break
        file = tf.io.gfile.join(path, shard.file)
        try:
            found += _read(file, wanted, token_bytes, most)
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            manifest.check_contents(path, [shard])
            raise UserError(
                f"{file!r} does not hold what its manifest says ({one_line(error)}), though its "
                "checksum is right: try again, or prepare the shards anew"
            ) from error
    return found


def _read(file, lengths, token_bytes, most):
    found = []
    for record in tf.data.TFRecordDataset(file).take(lengths.size):
        values = tf.io.parse_single_example(record, _FEATURES)
        tokens = np.frombuffer(values["tokens"].numpy(), np.dtype(f"<u{token_bytes}"))
        token_ids = tokens[:most].astype(np.int32) + NUM_RESERVED
        found.append(Example(values["name"].numpy().decode(), tokens.size, token_ids))
    if [example.num_tokens for example in found] != lengths.tolist():
        raise tf.errors.DataLossError(None, None, "other documents")
    return found


def _caption(codec, example):
    caption = f"{example.name}, {example.num_tokens:,} tokens"
    if isinstance(codec, codecs.Performance):
        notes = codec.decode(example.token_ids)
        minutes, seconds = divmod(round(notes["offset"].max(initial=0)), 60)
        caption += f", {notes.size:,} notes, {minutes}:{seconds:02d} minutes"
    return caption


def _text(codec, example):
    """The beginning, without empty lines around it, and an ellipsis where it is cut."""
    text = codec.decode(example.token_ids)
    is_cut = len(text) > _CHARACTERS or example.token_ids.size < example.num_tokens
    return text[:_CHARACTERS].strip("\r\n") + ("…" if is_cut else "")


def _write(codec, examples, base):
    """Paths of the files that it has written: one of texts, one of images, or one a performance."""
    if not examples:
        return []
    if not hasattr(codec, "write"):
        text = "\n\n".join(f"{_caption(codec, x)}:\n{_text(codec, x)}" for x in examples)
        write_text(f"{base}.txt", text + "\n")
        return [f"{base}.txt"]
    if isinstance(codec, codecs.Image):
        images = np.stack([codec.decode(example.token_ids) for example in examples])
        image_files.write_grid(images.repeat(_ZOOM, 1).repeat(_ZOOM, 2), f"{base}.png")
        return [f"{base}.png"]
    files = [f"{base}-{number}{codec.suffix}" for number in range(1, len(examples) + 1)]
    for example, file in zip(examples, files, strict=True):
        codec.write(example.token_ids, file)
    return files


def draw_lengths(lengths, title):
    """Draws how many documents are how long.

    Args:
        lengths: dict of split to int (documents,), tokens of each, not all of them equal.
        title: str.

    Returns:
        bytes of a PNG, 800 pixels wide and 100 + 200 for each split high.

    Raises:
        UserError: no matplotlib.
    """
    figures.check_installed("the picture of the lengths needs", "leave --output out")
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

    low, high = _range(lengths)
    is_wide = high >= _WIDE * low > 0
    edges = _edges(low, high, sum(of_split.size for of_split in lengths.values()), is_wide)
    figure = figures.figure(8, 1 + 2 * len(lengths))
    figure.suptitle(title)
    # One axis of lengths, so that the splits can be compared.
    panels = figure.subplots(len(lengths), squeeze=False, sharex=True)[:, 0]
    for panel, (split, of_split) in zip(panels, lengths.items(), strict=True):
        panel.hist(of_split, edges, color=_BARS, edgecolor="white")
        median = np.median(of_split)
        panel.axvline(median, color=_MEDIAN, linestyle="--")
        panel.set_title(f"median {median:,.0f}", loc="right", color=_MEDIAN)
        plural = "s" * (of_split.size > 1)
        panel.set_title(f"{split}: {of_split.size:,} document{plural}", loc="left")
        panel.set_ylabel("documents")
        panel.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        panel.grid(alpha=0.3)
    axis = panels[-1]
    axis.set_xlabel("tokens of a document")
    axis.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    if is_wide:
        # Labels between the powers of ten, while there is room for them.
        axis.set_xscale("log", subs=[])
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    return figures.content(figure, "png", dpi=100)


def _edges(low, high, number, is_wide):
    """Edges of the bars of so many lengths between these; none is on an edge at either end."""
    bars = int(np.clip(2 * np.cbrt(number), 10, 60))  # Rice's rule, within reason
    if is_wide:
        return np.geomspace(low - 0.5, high + 0.5, bars + 1)
    return np.linspace(low - 0.5, high + 0.5, min(bars, high - low + 1) + 1)
