"""Small square images from image files, and image files from small images; local or remote.

Decoded by Pillow. S side of the square, B batch, H height, W width, in pixels.
"""

import io
import math
import warnings

import numpy as np
from PIL import Image, ImageOps

from pipelines import remote
from pipelines.atomic_files import write_bytes
from pipelines.checks import check_integer
from pipelines.command_line import one_line
from pipelines.errors import UserError

# What Pillow warns of is refused here, or does not matter.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Each further decoder is further code that strangers' bytes reach.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_MAX_BYTES = 2**26
_MAX_PIXELS = 2**26
_PNG_DEPTH = 24  # where the file says how many bits a colour has
_GAP = 2
_BACKGROUND = 64


def read(source, size, name="the image data"):
    """An image as a square: the middle of it, each pixel the mean of those that it covers.

    It covers those whose middle it covers (the box filter): none is split between two.

    A file turned by its EXIF orientation is turned upright; transparency shows white; of 16 bits
    the upper 8 are kept, and of an animation the first frame. A square of `size` already is not
    resampled, so its pixels are exactly those of the file. A smaller one is enlarged by repeating
    pixels.

    Args:
        source: str or path of a JPEG, PNG, GIF or WebP file, local or remote, or its content as
            bytes.
        size: int. S.
        name: str. What a message calls content; a path has a name already.

    Returns:
        uint8 (S, S, 3), red, green, blue.

    Raises:
        UserError: it cannot be read, is no whole image, or is larger than 64 MiB or 67 million
            pixels; or `size` is below 1.
    """
    check_integer("size", size)
    data, name = _content(source, name)
    if not data:
        raise UserError(f"{name} is empty: copy or export it again")
    try:
        # It raises OSError, ValueError, SyntaxError, struct.error …, as the bytes will have it.
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} × {image.height} pixels")
            image.load()
            _scale_key(image, data)
            square = _middle(_to_rgb(_upright(image)))
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{name} has more than {_MAX_PIXELS:,} pixels ({one_line(error)}): scale it down first"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UserError(
            f"{name} is no {', '.join(_FORMATS)} image, or its head is broken: convert or copy it "
            "again"
        ) from error
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise UserError(f"{name} is no whole image ({reason}): copy or export it again") from error
    if square.size != (size, size):
        square = square.resize((size, size), Image.Resampling.BOX)
    return np.array(square)


def write_grid(images, path, columns=None):
    """Writes images beside one another as a PNG file, row by row, with a gap between them.

    Args:
        images: uint8 (B, H, W, 3), B ≥ 1.
        path: str or path, local or remote.
        columns: int, images in a row. None makes as many columns as rows, or one more.

    Raises:
        TypeError: `images` are not uint8.
        ValueError: `images` have another shape, or `columns` is below 1.
        UserError: the file cannot be written.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"`images` must be uint8, got {images.dtype}.")
    if images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise ValueError(
            f"`images` must have shape (count, height, width, 3), none of them 0; "
            f"got {images.shape}."
        )
    count, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"`columns` must be 1 or more, got {columns}.")
    columns = min(columns, count)
    rows = -(-count // columns)
    high, wide = height + _GAP, width + _GAP
    grid = np.full((rows * high - _GAP, columns * wide - _GAP, 3), _BACKGROUND, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * high, index % columns * wide
        grid[top : top + height, left : left + width] = image
    stream = io.BytesIO()
    Image.fromarray(grid).save(stream, "PNG")
    write_bytes(path, stream.getvalue())


def _content(source, name):
    """Bytes of a file, and what to call it in a message."""
    remedy = "scale it down first"
    if not isinstance(source, bytes):
        path, hint = str(source), ": check that it is there and may be read"
        return remote.content(path, hint, _MAX_BYTES, remedy), repr(path)
    if len(source) > _MAX_BYTES:
        raise UserError(f"{name} is larger than {_MAX_BYTES:,} bytes: {remedy}")
    return source, name


def _upright(image):
    """Turned as its EXIF orientation says, if it can be understood."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a torn note about the picture does not spoil the picture
        return image


def _scale_key(image, data):
    """Brings the colour that a PNG calls transparent to the bits that Pillow keeps of colours."""
    key = image.info.get("transparency")
    depth = data[_PNG_DEPTH] if image.format == "PNG" else 8
    if image.mode == "L" and isinstance(key, int) and depth < 8:
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        raise ValueError("it makes a colour of 16 bits transparent, of which Pillow keeps 8")


def _to_rgb(image):
    if image.mode == "F" or image.mode.startswith("I"):
        # Pillow would clip them at 255; the upper byte is what it keeps of 16-bit colours.
        values = np.clip(np.asarray(image, np.int64), 0, 2**16 - 1)
        grey = np.where(values == image.info.get("transparency"), 255, values >> 8)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def _middle(image):
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
