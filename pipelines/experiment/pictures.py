"""The pictures of experiments: figures of matplotlib, as whole files."""

from pipelines import figures
from pipelines.experiment.table import write_whole


def figure(width, height):
    """An empty figure of so many inches.

    Raises:
        UserError: no matplotlib.
    """
    figures.check_installed("the pictures of an experiment need")
    return figures.figure(width, height)


def save(figure, path):
    """Writes a figure as its suffix says, .png or .svg, the same bytes for the same figure."""
    found = figures.content(figure, str(path).rpartition(".")[2])
    write_whole(path, lambda new: new.write_bytes(found))
