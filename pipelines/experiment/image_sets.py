"""Sets of .npy files that hold the same images, each in an order of its own.

S side of an image in pixels, T = S · S · 3 values of one.
"""

import os

import numpy as np

from keras_perceiver_ar.codecs import image_codec
from pipelines.errors import UserError
from pipelines.experiment import npy_set
from pipelines.experiment.npy_rows import NpyRows

_COMPARED = 16  # documents of each split, to tell whether two sets are of the same images


def order(rows):
    """When each value of an image comes: int64 (T,), as `image_codec.order` has it.

    Args:
        rows: `NpyRows` of images.

    Raises:
        UserError: positions that are not those of such images.
    """
    x, y, channel = (rows.positions[1:, :3] - 2).T  # behind SOS they count from 2
    shape = (rows.codec["size"], rows.codec["size"], image_codec.NUM_CHANNELS)
    try:
        found = np.ravel_multi_index((y, x, channel), shape)
    except ValueError:  # beyond an image
        found = None
    if found is None or not np.array_equal(np.sort(found), np.arange(np.prod(shape))):
        file = os.path.join(rows.path, npy_set.POSITIONS)
        raise npy_set.damaged(file, "they are not each value's of an image once")
    return found


def decode(rows, token_ids):
    """The image of a row of ids, SOS first: uint8 (S, S, 3)."""
    return image_codec.decode(token_ids, rows.codec["size"], order(rows))


def images(rows, split, number):
    """The first images of a split: uint8 (number, S, S, 3)."""
    return np.stack([decode(rows, rows.events(split, place)) for place in range(number)])


def check_alike(folders, splits):
    """Refuses sets that are not the same images in different orders.

    Args:
        folders: dict of str to str, the folder of each order.
        splits: iterable of str. Those that matter.

    Raises:
        UserError: names the two that differ, or that do not.
    """
    seen = {}
    for name, folder in folders.items():
        rows = NpyRows(folder)
        if rows.codec["name"] != "image":
            raise UserError(
                f"the set in {folder!r} ({name}) holds no images: prepare it with "
                "--dataset=imagenet64 --format=npy"
            )
        seen[name] = order(rows), {split: _start(rows, split) for split in splits}
    first, *others = seen
    for other in others:
        same = all(
            seen[first][1][split][0] == seen[other][1][split][0]
            and np.array_equal(seen[first][1][split][1], seen[other][1][split][1])
            for split in splits
        )
        if not same:
            raise UserError(
                f"the sets {folders[first]!r} ({first}) and {folders[other]!r} ({other}) do not "
                "hold the same images: prepare both from one folder, with one --image_size and "
                "--seed"
            )
    for place, name in enumerate(seen):
        for other in others[place:]:
            if np.array_equal(seen[name][0], seen[other][0]):
                raise UserError(
                    f"the sets {folders[name]!r} ({name}) and {folders[other]!r} ({other}) have "
                    "the same order: prepare one of them with another --order"
                )


def _start(rows, split):
    """How many images a split has, and the first ones."""
    count = rows.num_events(split).size
    return count, images(rows, split, min(count, _COMPARED))
