import numpy as np
import pytest
from PIL import Image

from pipelines.experiment import image_grid, pictures


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_figure_is_written_whole_as_its_suffix_says(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    file.write_text("what was there before")
    pictures.save(pictures.figure(2, 2), file)
    assert file.read_bytes().startswith({"svg": b"<?xml", "png": b"\x89PNG"}[suffix])
    assert list(tmp_path.iterdir()) == [file]


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
