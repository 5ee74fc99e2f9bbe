"""Small sets of .npy files of books, of images and of music."""

import numpy as np

from pipelines.prepare import encoders, npy_writer
from tests.pipelines import shards
from tests.pipelines.prepare.test_encoders import write_images, write_music

# Bytes of the documents of each split.
BOOKS = {"train": (90, 60, 75), "validation": (50, 31), "test": (40, 44)}
SIZE = 4
VALUES = SIZE * SIZE * 3


def write_books(folder):
    """The raw texts of `make_books`."""
    for split, sizes in BOOKS.items():
        shards.write_books(folder, sizes, split)


def make_books(folder):
    """A set of books: str, its folder."""
    write_books(folder / "raw")
    return _prepare(folder / "raw", folder / "books", "pg19")


def make_images(folder, name, order="raster", number=6):
    """A set of images of 4 × 4 pixels in an order, as that of any other name in another order.

    Args:
        folder: path.
        name: str.
        order: str, or int (48,).
        number: int. Images of training; three are for validation.

    Returns:
        str, the folder of the set.
    """
    raw = folder / f"raw-{number}"
    if not raw.exists():
        write_images(raw / "train_4x4", number)
        write_images(raw / "valid_4x4", 3)
    if not isinstance(order, str):
        np.save(folder / f"{name}.npy", order)
        order = str(folder / f"{name}.npy")
    return _prepare(raw, folder / name, "imagenet64", image_size=SIZE, order=order)


def make_music(folder, splits=("train",) * 3 + ("validation",) * 2 + ("test",)):
    """A set of performances of eight notes.

    Args:
        folder: path.
        splits: tuple of str, of each performance.

    Returns:
        str, the folder of the set.
    """
    write_music(folder / "raw", splits)
    return _prepare(folder / "raw", folder / "music", "maestro")


def write_gin(folder, *lines):
    """The flag of a gin file, which may set what nothing reads: a binding may not."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "small.gin"
    file.write_text("\n".join(lines) + "\n")
    return f"--gin_file={file}"


def _prepare(raw, output, dataset, **options):
    encoder = encoders.make_encoder(dataset, **options)
    shards.prepare(raw, output, dataset=dataset, encoder=encoder, prepare=npy_writer.prepare)
    return str(output)
