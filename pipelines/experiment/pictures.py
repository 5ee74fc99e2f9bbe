"""Figures of matplotlib, without a display and as whole files."""

from pipelines.errors import UserError
from pipelines.experiment.table import write_whole


def figure(width, height):
    """An empty figure of so many inches.

    Raises:
        UserError: no matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            "the pictures of an experiment need matplotlib: pip install -e '.[benchmark]' (or "
            "matplotlib alone)"
        ) from error
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(figure, path):
    """Writes a figure as its suffix says, .png or .svg, the same bytes for the same figure."""
    # Dates and random names of its parts would make each file another one.
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "figure"}):
        metadata = {"Date": None} if str(path).endswith(".svg") else None
        write_whole(path, lambda new: figure.savefig(new, dpi=120, metadata=metadata))
