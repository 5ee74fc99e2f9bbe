"""What a split is measured by."""

import numpy as np


def totals(each):
    """The sums over documents of what each is measured by.

    Args:
        each: dict of int (D,): `bytes` and `words` among others.

    Returns:
        dict of int: `bytes`, `words` and `documents`.
    """
    sums = {name: int(each[name].sum()) for name in ("bytes", "words")}
    return {**sums, "documents": each["bytes"].size}


def of_shards(shards, ends):
    """What each document of shards is measured by.

    Args:
        shards: list of a manifest's shards.
        ends: bool. Whether a document is followed by EOS.

    Returns:
        dict of int64 (D,): `targets`, `bytes` and `words`.
    """
    columns = {
        "targets": [shard.tokens() + int(ends) for shard in shards],
        "bytes": [shard.each("bytes") for shard in shards],
        "words": [shard.each("words") for shard in shards],
    }
    return {name: np.concatenate(column) for name, column in columns.items()}
