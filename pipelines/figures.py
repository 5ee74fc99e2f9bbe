"""Figures of matplotlib: without a display, in colours all can tell apart, as bytes of a file."""

import importlib
import io

from pipelines.errors import UserError

# Okabe and Ito's, which colour-blind readers can tell apart; the markers tell it without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">")
# What has a name looks alike in every picture. No picture has names of two lines.
_NAMES = (
    ("perceiver_ar", "transformer", "transformer_xl"),
    ("training", "validation", "test", "continued", "unprompted"),
)
_PLACES = {name: place for names in _NAMES for place, name in enumerate(names)}


def style(name):
    """How a model, a split or a source of samples is drawn, in whichever picture.

    Args:
        name: str, as tables have it: "perceiver_ar", "transformer" or "transformer_xl";
            "training", "validation", "test", "continued" or "unprompted".

    Returns:
        dict of `color` and `marker`, arguments of matplotlib; a name that is not known has the
        last ones.
    """
    place = _PLACES.get(name, -1)
    return {"color": COLOURS[place], "marker": MARKERS[place]}


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


def legend_below(figure, ncols=2):
    """Explains what has a label, each once, below the panels, where it hides nothing.

    Args:
        figure: of matplotlib, with all in it.
        ncols: int. Labels side by side.
    """
    handles = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            handles.values(),
            handles,
            loc="outside lower center",
            ncols=ncols,
            frameon=False,
            fontsize="small",
        )


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
