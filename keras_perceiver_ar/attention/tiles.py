"""Which tiles of a score matrix hold anything to compute, when a mask tells by steps."""

from keras import ops


class Tiles:
    """Tiles of N queries × M keys under a mask of steps.

    Args:
        query_steps: int32 (B, N).
        key_steps: int32 (B, M).
        queries: int. Queries of a tile; divides N.
        keys: int. Keys of a tile; divides M.
        diagonal: bool. Whether query i may read key i in any case.
    """

    def __init__(self, query_steps, key_steps, queries, keys, diagonal):
        least_query, most_query = _range(query_steps, queries)
        least_key, most_key = _range(key_steps, keys)
        # bool (B, tiles of N, tiles of M): whether a tile holds a score, and no masked one.
        self.some = least_key[:, None, :] <= most_query[:, :, None]
        if diagonal:
            first = ops.arange(least_query.shape[1])[:, None] * queries
            other = ops.arange(least_key.shape[1]) * keys
            meets = ops.logical_and(first < other + keys, other < first + queries)
            self.some = ops.logical_or(self.some, meets)
        self.all = most_key[:, None, :] <= least_query[:, :, None]

    def of_queries(self):
        """For each tile of queries: the first tiles of keys that need no mask, the end of all.

        Returns:
            int32 (B, tiles of N, 2).
        """
        number = ops.arange(1, self.some.shape[2] + 1)
        masked = ops.where(self.all, self.some.shape[2] + 1, number)
        free = ops.min(masked, axis=2) - 1  # the tiles before the first one that needs a mask
        free = ops.minimum(free, self.some.shape[2])
        end = ops.max(ops.where(self.some, number, 0), axis=2)
        return ops.cast(ops.stack([free, ops.maximum(free, end)], axis=2), "int32")

    def of_keys(self):
        """For each tile of keys: the first tile of queries, and where those without a mask begin.

        Returns:
            int32 (B, tiles of M, 2).
        """
        count = self.some.shape[1]
        number = ops.arange(count)[:, None]
        start = ops.min(ops.where(self.some, number, count), axis=1)
        free = ops.max(ops.where(self.all, 0, number + 1), axis=1)
        return ops.cast(ops.stack([start, ops.maximum(start, free)], axis=2), "int32")


def _range(steps, size):
    tiles = ops.reshape(steps, (-1, steps.shape[1] // size, size))
    return ops.min(tiles, axis=2), ops.max(tiles, axis=2)
