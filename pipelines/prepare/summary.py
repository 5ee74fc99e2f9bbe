"""What a set of shards holds, as a table."""

import sys

import rich.console
import rich.table


def show(made):
    """Prints the splits of a `Manifest`, and names what was left out."""
    table = rich.table.Table("split", "shards", "documents", "tokens", "bytes", "words", "skipped")
    for split, shards in made.splits.items():
        numbers = [
            len(shards),
            sum(shard.documents for shard in shards),
            sum(int(shard.tokens().sum()) for shard in shards),
            sum(shard.bytes for shard in shards),
            sum(shard.words for shard in shards),
            sum(len(shard.skipped) for shard in shards),
        ]
        table.add_row(split, *(f"{number:,}" for number in numbers))
    rich.console.Console().print(table)
    for shards in made.splits.values():
        for shard in shards:
            for name, reason in shard.skipped.items():
                print(f"skipped {name}: {reason}", file=sys.stderr)
