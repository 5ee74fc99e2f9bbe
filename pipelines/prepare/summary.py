"""What a set of shards holds, as a table."""

import sys

import numpy as np
import rich.console
import rich.table

from pipelines.command_line import printable
from pipelines.data.batches import SPLITS


def lengths(made):
    """Data tokens of each document, of the splits that have some, in their usual order.

    Args:
        made: `Manifest`.

    Returns:
        dict of str to int64 (documents,).
    """
    found = {}
    for split in _ordered(made):
        shards = [shard for shard in made.splits[split] if shard.documents]
        if shards:
            found[split] = np.concatenate([shard.tokens() for shard in shards])
    return found


def describe(made):
    """What a `Manifest` says of data and codec, in a few words."""
    codec = made.codec
    names = {"size": "size", "order": "order", "file": "tokenizer"}
    settings = [f"{name} {codec[key]}" for key, name in names.items() if key in codec]
    return ", ".join([made.dataset, codec["name"], *settings])


def show(made):
    """Prints a table of a `Manifest`, and names what was left out."""
    print(f"{describe(made)}, vocabulary of {made.vocab_size:,}")
    # A column for each split, of which there are three at most: 80 letters are enough for all rows.
    table = rich.table.Table("")
    of_split = lengths(made)
    columns = []
    for split in _ordered(made):
        table.add_column(split, justify="right")
        columns.append(_column(made.splits[split], of_split.get(split)))
    for name in columns[0]:
        row = [column[name] for column in columns]
        if name not in ("bytes", "words") or any(row):  # which only text has
            table.add_row(name, *("-" if number is None else f"{number:,}" for number in row))
    rich.console.Console().print(table)
    for shards in made.splits.values():
        for shard in shards:
            for name, reason in shard.skipped.items():
                print(printable(f"skipped {name}: {reason}", keep=""), file=sys.stderr)


def _ordered(made):
    return [split for split in SPLITS if split in made.splits]


def _column(shards, lengths):
    """dict of str to int, or to None where there is no document to measure."""
    empty = lengths is None
    return {
        "shards": len(shards),
        "documents": 0 if empty else lengths.size,
        "skipped": sum(len(shard.skipped) for shard in shards),
        "tokens": 0 if empty else int(lengths.sum()),
        "shortest, tokens": None if empty else int(lengths.min()),
        "median, tokens": None if empty else round(np.median(lengths)),
        "longest, tokens": None if empty else int(lengths.max()),
        "bytes": sum(shard.bytes for shard in shards),
        "words": sum(shard.words for shard in shards),
    }
