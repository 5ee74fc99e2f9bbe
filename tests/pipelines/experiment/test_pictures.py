import sys

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import UserError
from pipelines.experiment import image_grid, pictures


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_figure_is_the_same_file(tmp_path, suffix):
    files = [tmp_path / f"{number}.{suffix}" for number in range(2)]
    for file in files:
        figure = pictures.figure(2, 2)
        figure.subplots().plot([0, 1], [0, 1], clip_on=True)
        pictures.save(figure, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == files


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="need matplotlib: pip install"):
        pictures.figure(1, 1)


def test_images_are_enlarged_without_new_colours(tmp_path):
    """Two rows of different length; black and white of titles and background aside."""
    draw = np.random.default_rng(0)
    rows = {name: draw.integers(0, 256, (n, 4, 4, 3), np.uint8) for name, n in (("a", 3), ("b", 2))}
    image_grid.draw(rows, tmp_path / "grid.png", "two rows")
    with Image.open(tmp_path / "grid.png") as image:
        shown = np.array(image.convert("RGB")).reshape(-1, 3)
    found, counts = np.unique(shown, axis=0, return_counts=True)
    counts = {tuple(colour): count for colour, count in zip(found.tolist(), counts)}
    for images in rows.values():
        for colour in images.reshape(-1, 3).tolist():
            assert counts[tuple(colour)] > 400  # a square of 20 pixels
    grey = sum(count for colour, count in counts.items() if len(set(colour)) == 1)
    own = sum(
        counts[colour]
        for colour in {tuple(c) for images in rows.values() for c in images.reshape(-1, 3).tolist()}
    )
    assert own + grey == len(shown)
