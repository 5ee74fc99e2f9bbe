"""Pictures that are the same file for the same table."""

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import special

# Okabe and Ito's, which colour-blind readers can tell apart; the markers tell it without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKERS = ("o", "s", "^", "D")


def new_figure(title, panels=1):
    """A figure with panels side by side.

    Args:
        title: str.
        panels: int.

    Returns:
        the figure, and a list of axes.
    """
    figure = Figure(figsize=(1.5 + 4.5 * panels, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for panel in axes:
        panel.grid(alpha=0.3)
    return figure, axes


def save(figure, path):
    """Writes a figure; the same one gives the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "keras_perceiver_ar", "svg.fonttype": "path"}):
        figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)


def sizes_on(axis, sizes):
    """Puts powers of two, or what is near to them, as 1k, 2k … on a logarithmic axis.

    Args:
        axis: of matplotlib, such as `panel.xaxis`.
        sizes: iterable of int.
    """
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log", base=2)
    sizes = sorted(set(sizes))
    axis.set_ticks(sizes, labels=[short(size) for size in sizes])
    axis.set_ticks([], minor=True)


def short(number):
    """A number of inputs as people say it: 8192 is 8k."""
    return f"{number // 1024}k" if number >= 1024 and number % 1024 == 0 else f"{number:,}"


def mean_interval(values):
    """Mean of independent runs, and half of its 95 % interval by Student's t.

    Args:
        values: sequence of float.

    Returns:
        float, and float or None where there is but one value.
    """
    values = np.asarray(values, np.float64)
    if values.size < 2:
        return float(values.mean()), None
    error = values.std(ddof=1) / np.sqrt(values.size)
    return float(values.mean()), float(special.stdtrit(values.size - 1, 0.975) * error)


def with_interval(value, half, digits=3):
    """A figure and its interval as text: 1.234 ± 0.010."""
    return f"{value:.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")


def table(head, lines):
    """A table in Markdown.

    Args:
        head: list of str.
        lines: list of list of str.

    Returns:
        str, with the lines' ends between.
    """
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
