import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import image_codec as codec

# One row of two pixels, then another.
IMAGE = np.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 255]]], np.uint8)


def random_image(draw, height, width):
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@st.composite
def images_and_orders(draw):
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    length = height * width * 3
    order = draw(st.sampled_from(["raster", "rgb"]) | st.permutations(range(length)))
    return random_image(draw, height, width), order


def test_orders_of_an_image():
    raster = codec.encode(IMAGE)
    assert raster.dtype == np.int32
    assert raster.tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 258]
    assert codec.encode(IMAGE, "rgb").tolist() == [4, 7, 10, 13, 5, 8, 11, 14, 6, 9, 12, 258]
    assert codec.encode(IMAGE, np.arange(12)[::-1]).tolist() == raster[::-1].tolist()
    assert codec.order(2).dtype == codec.order((1, 4), np.arange(12)).dtype == np.int32
    assert codec.VOCAB_SIZE == 259


def test_positions_are_column_row_and_channel():
    positions = codec.positions((2, 3))
    assert positions.dtype == np.int32
    assert positions[:4].tolist() == [[2, 2, 2], [2, 2, 3], [2, 2, 4], [3, 2, 2]]
    assert positions[-1].tolist() == [4, 3, 4]
    assert codec.positions((2, 3), "rgb")[:4].tolist() == [
        [2, 2, 2],
        [3, 2, 2],
        [4, 2, 2],
        [2, 3, 2],
    ]
    assert (codec.positions((2, 3), has_sos=False) == positions - 1).all()


@given(images_and_orders())
def test_images_survive_the_round_trip(image_and_order):
    image, order = image_and_order
    size = image.shape[:2]
    ids = codec.encode(image, order)
    assert (codec.decode(ids, size, order) == image).all()
    assert (codec.decode([2, *ids, 1, 0, 0], size, order) == image).all()
    x, y, channel = codec.positions(size, order).T - 2
    assert (image[y, x, channel] == ids - 3).all()


@given(images_and_orders(), st.data())
def test_an_image_that_ended_early_is_filled(image_and_order, data):
    image, order = image_and_order
    size = image.shape[:2]
    end = data.draw(st.integers(0, image.size))
    fill = data.draw(st.integers(0, 255))
    ids = codec.encode(image, order)
    expected = np.full(image.size, fill)
    done = codec.order(size, order)[:end]
    expected[done] = image.reshape(-1)[done]
    for behind in ([], [1], [1, 0, 0]):
        decoded = codec.decode([*ids[:end], *behind], size, order, fill)
        assert (decoded.reshape(-1) == expected).all()
    assert codec.decode([], size, order).sum() == 0


def test_a_reserved_id_keeps_its_place():
    ids = [2, 4, 0, 6, 2, 8, 1, 10]
    assert codec.decode(ids, (1, 3), fill=9).reshape(-1).tolist() == [1, 9, 3, 9, 5, 9, 7, 9, 9]


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        ("rbg", ValueError, r"one of \('raster', 'rgb'\) or a permutation, got 'rbg'"),
        (np.arange(12.0), TypeError, "a str or integers, got float64"),
        (np.arange(11), ValueError, r"shape \(12,\) for 2 × 2 pixels, got \(11,\)"),
        ([0] * 12, ValueError, "each of 0 … 11 once"),
        (np.arange(1, 13), ValueError, "each of 0 … 11 once"),
    ],
)
def test_what_is_no_order_is_refused(order, error, message):
    for use in (
        lambda: codec.order(2, order),
        lambda: codec.positions(2, order),
        lambda: codec.encode(IMAGE, order),
        lambda: codec.decode([3], 2, order),
    ):
        with pytest.raises(error, match=message):
            use()


def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError, match="`image` must be uint8, got float64"):
        codec.encode(IMAGE / 255)
    for shape in ((4, 4), (4, 4, 1), (1, 4, 4, 3)):
        with pytest.raises(ValueError, match=r"\(height, width, 3\), got"):
            codec.encode(np.zeros(shape, np.uint8))
    for size in (0, 2.0, (2, 2, 3), (-1, 2), "ab"):
        with pytest.raises(ValueError, match="`size` must be"):
            codec.order(size)
    with pytest.raises(ValueError, match="0 … 258, got 259"):
        codec.decode([259], 2)
    with pytest.raises(ValueError, match="at most 12 values.*got 1 behind"):
        codec.decode([3] * 13, 2)
    for fill in (-1, 256):
        with pytest.raises(ValueError, match=f"`fill` must lie in 0 … 255, got {fill}"):
            codec.decode([3], 2, fill=fill)
