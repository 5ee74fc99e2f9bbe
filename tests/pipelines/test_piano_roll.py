import io
import sys

import numpy as np
import pytest
from PIL import Image

from pipelines import piano_roll
from pipelines.errors import UserError
from tests.keras_perceiver_ar.codecs.performances import performance

LOW, HIGH = (0.0, 3.0, 48, 100), (5.0, 8.0, 72, 100)


def pixels(notes, prompt_seconds=0.0):
    with Image.open(io.BytesIO(piano_roll.draw(notes, prompt_seconds))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def blue(image):
    """Rows and columns of what is as blue as notes, left of the scale of velocities."""
    red, _, blue = image[:, : int(image.shape[1] * 0.8)].transpose(2, 0, 1)
    return np.nonzero(blue - red > 60)


def test_pitches_have_the_names_that_musicians_give_them():
    names = [piano_roll.name(pitch) for pitch in (0, 21, 60, 61, 69, 127)]
    assert names == ["C-1", "A0", "C4", "C♯4", "A4", "G9"]


def test_time_goes_right_and_pitch_goes_up():
    rows, columns = blue(pixels(performance(LOW, HIGH)))
    middle = (columns.min() + columns.max()) / 2
    early, late = columns < middle, columns > middle
    assert rows[early].min() > rows[late].max() + 100


def test_a_note_that_is_struck_harder_is_darker():
    image = pixels(performance((0.0, 3.0, 60, 20), (5.0, 8.0, 60, 120)))
    rows, columns = np.nonzero(image[..., 2] - image[..., 0] > 40)
    inside = columns < image.shape[1] * 0.8
    shade = image[rows, columns].sum(1)[inside]
    columns = columns[inside]
    middle = (columns.min() + columns.max()) / 2
    assert np.median(shade[columns < middle]) > np.median(shade[columns > middle]) + 100


def test_the_prompt_is_marked():
    plain, marked = pixels(performance(LOW, HIGH)), pixels(performance(LOW, HIGH), 4.0)
    tinted = (plain[250] == 255).all(1) & (marked[250] != 255).any(1)
    columns = np.flatnonzero(tinted)
    assert columns.min() < 100 and 300 < columns.max() < 450


def test_a_long_performance_is_a_wide_picture_up_to_a_limit():
    for seconds, width in ((1.0, 800), (60.0, 3000), (3600.0, 6000)):
        assert pixels(performance((0.0, seconds, 60, 64))).shape == (500, width, 3)
    assert pixels(performance()).shape == (500, 800, 3)


def test_a_title_says_what_it_is_within_the_picture(monkeypatch):
    kept = []
    monkeypatch.setattr(piano_roll.figures, "content", lambda figure, *_, **__: kept.append(figure))
    piano_roll.draw(performance(LOW, HIGH), 4.0, "a performance " * 20)
    (figure,) = kept
    figure.draw_without_rendering()
    (title,) = [text for text in figure.texts if "a performance" in text.get_text()]
    box = title.get_window_extent()
    assert box.x0 > 0 and box.x1 < figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_the_library_that_is_missing_is_named(monkeypatch):
    piano_roll.check_library()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="picture of the notes needs matplotlib: pip install"):
        piano_roll.check_library()
