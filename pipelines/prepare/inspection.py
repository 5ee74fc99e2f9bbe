"""A look into a set of shards: how long its documents are, and the first of them decoded."""

import io
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines import image_files
from pipelines.checkpoints import write_bytes, write_text
from pipelines.checks import check_integer
from pipelines.command_line import one_line, printable, user_errors
from pipelines.data import codecs, manifest
from pipelines.errors import UserError
from pipelines.prepare import summary

_CHARACTERS = 400  # of a text that are shown
_WIDE = 10  # times as long as the shortest is the longest document, for a logarithmic axis
# Two of Okabe and Ito's, which colour-blind readers can tell apart.
_BARS, _MEDIAN = "#0072B2", "#D55E00"
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


def show(path, split="train", examples=4, output=None):
    """Prints what a set holds, and writes what a terminal cannot show.

    Args:
        path: str. Folder of the shards, local or `gs://…`.
        split: str. Where the examples are from.
        examples: int. How many of its first documents to decode.
        output: str or None. Folder for pictures and examples, local or `gs://…`.

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
        manifest.check_files(path, [shard for group in made.splits.values() for shard in group])
        codec = codecs.make_codec(made.codec, path)
        # A character takes four bytes at most, and a piece of a text holds one at least.
        most = None if hasattr(codec, "write") else 4 * _CHARACTERS
        found = first_documents(path, shards, made.token_bytes, examples, most)
        if output:
            output = os.path.expanduser(output)
            picture = draw_lengths(summary.lengths(made), summary.describe(made))
            tf.io.gfile.makedirs(output)
    summary.show(made)
    documents = sum(shard.documents for shard in shards)
    for number, example in enumerate(found, 1):
        print(f"{split} {number} of {documents:,}: {printable(_caption(codec, example))}")
        if not hasattr(codec, "write"):
            print(printable(_text(codec, example)) + "\n")
    if not output:
        print("--output=DIR writes a picture of the lengths, and these examples")
        return
    lengths = tf.io.gfile.join(output, "lengths.png")
    write_bytes(lengths, picture)
    for file in [lengths, *_write(codec, found, tf.io.gfile.join(output, f"{split}-examples"))]:
        print(f"wrote {file}")


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
    return codec.decode(example.token_ids)[:_CHARACTERS]


def _write(codec, examples, base):
    """Paths of the files that it has written: one of texts, one of images, or one a performance."""
    if not examples:
        return []
    if not hasattr(codec, "write"):
        text = "\n\n".join(f"{_caption(codec, x)}:\n{_text(codec, x)}" for x in examples)
        write_text(f"{base}.txt", text + "\n")
        return [f"{base}.txt"]
    if isinstance(codec, codecs.Image):
        images = [codec.decode(example.token_ids) for example in examples]
        image_files.write_grid(np.stack(images), f"{base}.png")
        return [f"{base}.png"]
    files = [f"{base}-{number}{codec.suffix}" for number in range(1, len(examples) + 1)]
    for example, file in zip(examples, files, strict=True):
        codec.write(example.token_ids, file)
    return files


def draw_lengths(lengths, title):
    """Draws how many documents are how long.

    Args:
        lengths: dict of split to int (documents,), tokens of each.
        title: str.

    Returns:
        bytes of a PNG, 800 pixels wide and 100 + 200 for each split high.

    Raises:
        UserError: no matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator
    except ImportError as error:
        raise UserError(
            "the picture of the lengths needs matplotlib: pip install -e '.[prepare]' (or "
            "matplotlib alone), or leave --output out"
        ) from error

    every = np.concatenate(list(lengths.values()))
    low, high = int(every.min()), int(every.max())
    is_wide = high >= _WIDE * low > 0
    edges = _edges(low, high, every.size, is_wide)
    figure = Figure(figsize=(8, 1 + 2 * len(lengths)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
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
    if low == high:
        axis.set_xlim(0.5 * low - 1, 1.5 * low + 1)
    elif is_wide:
        # Labels between the powers of ten, while there is room for them.
        axis.set_xscale("log", subs=[])
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _edges(low, high, number, is_wide):
    """Edges of the bars of so many lengths between these; none is on an edge at either end."""
    if low == high:  # broad enough to be seen
        return low + max(0.5, low / 50) * np.asarray([-1, 1])
    bars = int(np.clip(2 * np.cbrt(number), 10, 60))  # Rice's rule, within reason
    if is_wide:
        return np.geomspace(low - 0.5, high + 0.5, bars + 1)
    return np.linspace(low - 0.5, high + 0.5, min(bars, high - low + 1) + 1)
