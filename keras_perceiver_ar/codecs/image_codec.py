"""Images as a sequence of colour values: value v is id v + 3.

H height, W width, T = H · W · 3 length of a sequence. An order says which value comes when: a
permutation of the places of a flat (H, W, 3) image.
"""

import numpy as np

from keras_perceiver_ar.codecs.event_ids import EOS as EOS
from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED, check_ids
from keras_perceiver_ar.codecs.event_ids import PAD as PAD
from keras_perceiver_ar.codecs.event_ids import SOS as SOS

VOCAB_SIZE = NUM_RESERVED + 256
NUM_CHANNELS = 3
SOS_POSITION = (1, 1, 1)
ORDERS = ("raster", "rgb")


def order(size, name="raster"):
    """When each value of an image comes.

    Args:
        size: int, the side of a square image, or (H, W).
        name: str or integers (T,). "raster" goes pixel by pixel, row by row, and through red, green
            and blue of each; "rgb" takes the whole image in red, then in green, then in blue; a
            permutation of 0 … T − 1 is taken as it is.

    Returns:
        int32 (T,). Item t is the place of the t-th value in the flat (H, W, 3) image.

    Raises:
        TypeError: `name` is neither a str nor integers.
        ValueError: an unknown name, no permutation, or a size that is none.
    """
    height, width = _shape(size)
    length = height * width * NUM_CHANNELS
    raster = np.arange(length, dtype=np.int32)
    if isinstance(name, str):
        if name not in ORDERS:
            raise ValueError(f"`order` must be one of {ORDERS} or a permutation, got {name!r}.")
        return raster if name == "raster" else raster.reshape(-1, NUM_CHANNELS).T.reshape(-1)
    permutation = np.asarray(name)
    if not np.issubdtype(permutation.dtype, np.integer):
        raise TypeError(f"`order` must be a str or integers, got {permutation.dtype}.")
    if permutation.shape != (length,):
        raise ValueError(
            f"`order` must have shape ({length},) for {height} × {width} pixels, "
            f"got {permutation.shape}."
        )
    if not np.array_equal(np.sort(permutation), raster):
        raise ValueError(f"`order` must hold each of 0 … {length - 1} once.")
    return permutation.astype(np.int32)


def positions(size, order="raster", has_sos=True):
    """Where each value of an image is: its column, row and channel.

    They count from 2 behind an SOS, which is at `SOS_POSITION`, and from 1 without one; 0 is
    padding.

    Args:
        size: int or (H, W).
        order: str or integers (T,), as `order` takes it.
        has_sos: bool. Whether an SOS comes first; its own position is not among those returned.

    Returns:
        int32 (T, 3): x, y, channel.

    Raises:
        TypeError: as `order`.
        ValueError: as `order`.
    """
    height, width = _shape(size)
    y, x, channel = np.unravel_index(_order(size, order), (height, width, NUM_CHANNELS))
    first = 2 if has_sos else 1
    return (np.stack([x, y, channel], axis=-1) + first).astype(np.int32)


def encode(image, order="raster"):
    """Ids of an image, without SOS and EOS.

    Args:
        image: uint8 (H, W, 3).
        order: str or integers (T,), as `order` takes it.

    Returns:
        int32 (T,), values 3 … 258.

    Raises:
        TypeError: `image` is not uint8, or as `order`.
        ValueError: `image` has another shape, or as `order`.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"`image` must be uint8, got {image.dtype}.")
    if image.ndim != 3 or image.shape[2] != NUM_CHANNELS:
        raise ValueError(f"`image` must have shape (height, width, 3), got {image.shape}.")
    return image.reshape(-1)[_order(image.shape[:2], order)].astype(np.int32) + NUM_RESERVED


def decode(ids, size, order="raster", fill=0):
    """Image of a sequence of ids, which may have ended early.

    An SOS in front is dropped. A reserved id anywhere else is a value that is missing, so that what
    comes behind it stays in its place: padding and EOS behind the data change nothing.

    Args:
        ids: integers, values 0 … 258; with an SOS T + 1 at most, without T. More may follow if they
            are reserved ids.
        size: int or (H, W).
        order: str or integers (T,), as `order` takes it.
        fill: int 0 … 255. What a missing value becomes; 0 is black.

    Returns:
        uint8 (H, W, 3).

    Raises:
        TypeError: `ids` are not integers, or as `order`.
        ValueError: an id outside 0 … 258, more data than the image holds, a `fill` outside
            0 … 255, or as `order`.
    """
    if not 0 <= fill <= 255:
        raise ValueError(f"`fill` must lie in 0 … 255, got {fill}.")
    places = _order(size, order)
    ids = check_ids(ids, VOCAB_SIZE)
    ids = ids[1:] if len(ids) and ids[0] == SOS else ids
    behind = np.count_nonzero(ids[len(places) :] >= NUM_RESERVED)
    if behind:
        raise ValueError(
            f"`ids` must hold at most {len(places)} values for an image of {_shape(size)} pixels, "
            f"got {behind} behind them."
        )
    ids = ids[: len(places)]
    image = np.empty((*_shape(size), NUM_CHANNELS), np.uint8)
    image[...] = fill
    is_data = ids >= NUM_RESERVED
    image.reshape(-1)[places[: len(ids)][is_data]] = ids[is_data] - NUM_RESERVED
    return image


# The argument `order` of the functions above hides it.
_order = order


def _shape(size):
    """(height, width) of a size."""
    shape = np.asarray(size)
    if shape.ndim == 0:
        shape = np.stack([shape, shape])
    if shape.shape != (2,) or not np.issubdtype(shape.dtype, np.integer) or shape.min() < 1:
        raise ValueError(f"`size` must be an integer from 1 or a pair of them, got {size!r}.")
    return int(shape[0]), int(shape[1])
