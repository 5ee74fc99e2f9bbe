"""Rows of small images with titles, large enough to be looked at."""

from pipelines.experiment import pictures


def draw(rows, path, title):
    """Draws a PNG file.

    Args:
        rows: dict of str to uint8 (B, H, W, 3), the images of each row by its title.
        path: path.
        title: str. Of all.

    Raises:
        UserError: no matplotlib.
    """
    columns = max(len(images) for images in rows.values())
    figure = pictures.figure(1.05 * columns + 0.2, 1.3 * len(rows) + 0.5)
    figure.suptitle(title, fontsize=9)
    for part, (name, images) in zip(
        figure.subfigures(len(rows), 1, squeeze=False).flat, rows.items(), strict=True
    ):
        part.suptitle(name, fontsize=9, x=0.01, ha="left")
        for panel, image in zip(
            part.subplots(1, columns, squeeze=False).flat, images, strict=False
        ):
            # Repeated pixels: what was drawn, and not what lies between.
            panel.imshow(image, interpolation="nearest")
        for panel in part.axes:
            panel.axis("off")
    pictures.save(figure, path)
