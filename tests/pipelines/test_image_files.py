import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_perceiver_ar.codecs import image_codec
from pipelines import image_files
from pipelines.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def saved(image, kind="PNG", **options):
    """An image file as bytes."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def flat(colour, mode="RGB", side=8):
    return Image.new(mode, (side, side), colour)


def test_pixels_of_the_right_size_are_exact(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(PIXELS))
    for source in (saved(PIXELS), tmp_path / "a.png", str(tmp_path / "a.png")):
        read = image_files.read(source, 8)
        assert read.dtype == np.uint8
        assert (read == PIXELS).all()


def test_the_middle_is_cut_out():
    wide = np.concatenate([np.zeros((8, 3, 3), np.uint8), PIXELS, np.ones((8, 4, 3), np.uint8)], 1)
    assert (image_files.read(saved(wide), 8) == PIXELS).all()
    assert (image_files.read(saved(wide.swapaxes(0, 1)), 8) == PIXELS.swapaxes(0, 1)).all()


def test_a_pixel_is_the_mean_of_those_that_it_covers():
    small = image_files.read(saved(PIXELS), 4)
    mean = PIXELS.reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(small - mean).max() <= 1  # Pillow rounds after each of the two axes
    assert (image_files.read(saved(PIXELS), 16) == PIXELS.repeat(2, 0).repeat(2, 1)).all()
    # Of three pixels for two, the middle one goes to one side as a whole.
    stripes = np.array([0, 90, 240], np.uint8)[None, :, None].repeat(3, 0).repeat(3, 2)
    assert image_files.read(saved(stripes), 2)[0, :, 0].tolist() == [45, 240]


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (flat(77, "L"), [77, 77, 77]),
        (flat(1, "1"), [255, 255, 255]),
        (flat((10, 200, 30)).quantize(4), [10, 200, 30]),
        (flat((10, 200, 30, 255), "RGBA"), [10, 200, 30]),
        (flat((10, 200, 30, 0), "RGBA"), [255, 255, 255]),
        (flat((0, 100, 255, 51), "RGBA"), [204, 224, 255]),
        (flat((0, 51), "LA"), [204, 204, 204]),
        (Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)), [128, 128, 128]),
        (Image.fromarray(np.full((8, 8), 200, np.uint16)), [0, 0, 0]),
    ],
)
def test_every_kind_of_png_is_red_green_and_blue(image, colour):
    read = image_files.read(saved(image), 8)
    assert read.shape == (8, 8, 3)
    assert (read == colour).all()


def test_a_colour_of_the_palette_may_be_transparent():
    image = Image.fromarray(np.array([[0, 1]] * 2, np.uint8), "P")
    image.putpalette([9, 8, 7, 100, 110, 120])
    read = image_files.read(saved(image, transparency=0), 2)
    assert read.tolist() == [[[255, 255, 255], [100, 110, 120]]] * 2


def chunk(name, content):
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(depth, colour, key, sample, width=1, height=1):
    """A PNG of one pixel, as its specification writes it, that makes a colour transparent."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + (chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b"")
        + chunk(b"IDAT", zlib.compress(b"\0" + sample))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("depth", "key", "sample", "grey"),
    [
        (16, 300, struct.pack(">H", 300), 255),
        (16, 300, struct.pack(">H", 301), 1),
        (8, 7, bytes([7]), 255),
        (8, 7, bytes([8]), 8),
        (4, 3, bytes([0x30]), 255),
        (4, 3, bytes([0x40]), 68),
        (2, 1, bytes([0b01_000000]), 255),
        (2, 1, bytes([0b10_000000]), 170),
    ],
)
def test_a_shade_of_grey_may_be_transparent(depth, key, sample, grey):
    assert image_files.read(png(depth, 0, [key], sample), 1).tolist() == [[[grey] * 3]]


def test_a_colour_may_be_transparent_if_pillow_keeps_all_of_it():
    read = image_files.read(png(8, 2, [1, 2, 3], bytes([1, 2, 3])), 1)
    assert read.tolist() == [[[255, 255, 255]]]
    with pytest.raises(UserError, match="a colour of 16 bits transparent"):
        image_files.read(png(16, 2, [1, 2, 3], struct.pack(">HHH", 1, 2, 3)), 1)


def test_jpegs():
    for image, colour in (
        (flat((200, 30, 90)), [200, 30, 90]),
        (flat(77, "L"), [77, 77, 77]),
        (flat((0, 255, 255, 0), "CMYK"), [255, 0, 0]),
    ):
        read = image_files.read(saved(image, "JPEG", quality=95), 8)
        assert np.abs(read.astype(int) - colour).max() <= 4
        progressive = saved(image, "JPEG", quality=95, progressive=True)
        assert (image_files.read(progressive, 8) == read).all()


def test_what_the_camera_turned_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is on the right
    data = saved(PIXELS, exif=exif)
    assert (image_files.read(data, 8) == np.rot90(PIXELS, -1)).all()
    assert (image_files.read(saved(PIXELS, exif=b"Exif\0\0torn"), 8) == PIXELS).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_of_an_animation_the_first_frame_is_read(kind):
    frames = [flat((255, 0, 0)), flat((0, 0, 255))]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **lossless)
    assert (image_files.read(data, 8) == [255, 0, 0]).all()


def png_that_claims(width, height):
    return png(8, 2, b"", b"", width, height)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: copy or export it again"),
        (b"no image", "is no JPEG, PNG, GIF, WEBP image.*convert or copy it again"),
        (saved(PIXELS, "BMP"), "is no JPEG, PNG, GIF, WEBP image"),
        (saved(PIXELS)[:-40], "is no whole image .*copy or export it again"),
        (saved(PIXELS, "JPEG")[:-40], "is no whole image .*copy or export it again"),
        (png_that_claims(8, 8), "is no whole image"),
        (png_that_claims(8200, 8200), "has more than 67,108,864 pixels.*8200.*scale it down"),
        (png_that_claims(60_000, 60_000), "has more than 67,108,864 pixels.*scale it down"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data, message, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(data)
    for source, name in ((data, "the image data"), (file, repr(str(file)))):
        with pytest.raises(UserError, match=message) as caught:
            image_files.read(source, 8)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_too_large_or_a_folder(tmp_path, monkeypatch):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(UserError, match="check that it is there"):
            image_files.read(path, 8)
    with pytest.raises(UserError, match="size must be an integer ≥ 1, got 0"):
        image_files.read(saved(PIXELS), 0)
    monkeypatch.setattr(image_files, "_MAX_BYTES", 20)
    with pytest.raises(UserError, match="the image data is larger than 20 bytes"):
        image_files.read(saved(PIXELS), 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_broken_images_end_in_one_line(kind):
    data = saved(PIXELS.repeat(8, 0).repeat(8, 1), kind)
    draw = random.Random(0)
    copies = [data[:length] for length in range(0, len(data), 97)]
    for last in (len(data), min(len(data), 100)):
        for changes in (1, 3, 30) * 20:
            copy = bytearray(data)
            for _ in range(changes):
                copy[draw.randrange(last)] = draw.randrange(256)
            copies.append(bytes(copy))
    for copy in copies:
        try:
            assert image_files.read(copy, 8).shape == (8, 8, 3)
        except UserError as error:
            assert "\n" not in str(error)


def test_a_grid(tmp_path):
    images = np.arange(5 * 4 * 6 * 3, dtype=np.uint8).reshape(5, 4, 6, 3)
    image_files.write_grid(images, tmp_path / "grid.png")
    grid = np.array(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (4 * 2 + 2, 6 * 3 + 2 * 2, 3)
    assert (grid[:4, 8:14] == images[1]).all()
    assert (grid[6:, :6] == images[3]).all()
    assert len(np.unique(grid[6:, 14:])) == 1  # an empty place
    image_files.write_grid(images[:1], tmp_path / "one.png")
    assert (np.array(Image.open(tmp_path / "one.png")) == images[0]).all()
    image_files.write_grid(images, tmp_path / "row.png", columns=9)
    assert Image.open(tmp_path / "row.png").size == (6 * 5 + 2 * 4, 4)
    image_files.write_grid(images, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


def test_what_is_no_grid_is_refused(tmp_path):
    images = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(TypeError, match="must be uint8, got float64"):
        image_files.write_grid(images / 1.0, tmp_path / "x.png")
    for wrong in (images[0], images[:0], images[..., :1]):
        with pytest.raises(ValueError, match=r"\(count, height, width, 3\)"):
            image_files.write_grid(wrong, tmp_path / "x.png")
    with pytest.raises(ValueError, match="`columns` must be 1 or more, got 0"):
        image_files.write_grid(images, tmp_path / "x.png", columns=0)
    with pytest.raises(UserError, match="nowhere"):
        image_files.write_grid(images, tmp_path / "nowhere" / "x.png")


@pytest.mark.parametrize(("folder", "count"), [("imagenet64", 800), ("free_images64", 89)])
def test_real_images_keep_every_pixel(shared, folder, count):
    files = sorted((shared / "data" / folder).glob("*_64x64/*.png"))
    assert len(files) == count
    places = np.random.default_rng(0).permutation(64 * 64 * 3)
    orders = [image_codec.order(64, name) for name in ("raster", "rgb", places)]
    for index, file in enumerate(files):
        image = image_files.read(file, 64)
        with Image.open(file) as expected:
            assert (image == np.asarray(expected)).all()
        order = orders[index % 3]
        ids = image_codec.encode(image, order)
        assert (image_codec.decode(ids, 64, order) == image).all()
