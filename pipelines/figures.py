"""Figures of matplotlib: without a display, in colours all can tell apart, as bytes of a file."""

import importlib
import io

from pipelines.errors import UserError

# Okabe and Ito's, which colour-blind readers can tell apart; the markers tell it without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">")


def check_installed(what, otherwise=""):
    """Refuses a picture that could not be drawn, before anything is computed for it.

    Args:
        what: str. Whose need of matplotlib it is, such as "the chart needs".
        otherwise: str. What else than an installation would help, after "or".

    Raises:
        UserError: no matplotlib.
    """
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise UserError(
            f"{what} matplotlib: pip install matplotlib" + (otherwise and f", or {otherwise}")
        ) from error


def figure(width, height):
    """An empty figure of so many inches.

    Raises:
        ImportError: no matplotlib; see `check_installed`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def content(figure, kind, dpi=120):
    """The bytes of a file: the same ones for the same figure.

    Args:
        figure: of matplotlib.
        kind: str, "png" or "svg".
        dpi: int. Pixels of an inch, of a PNG.
    """
    from matplotlib import rc_context

    stream = io.BytesIO()
    # Dates and random names of its parts would make each file another one.
    with rc_context({"svg.hashsalt": "figure"}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()
