"""Panels, figures and tables that reports have in common."""

import numpy as np

from pipelines import figures
from pipelines.experiment import pictures

_DOTS = 0.2  # how wide the dots of one place lie, of the 1 between two places


def new_figure(title, panels=1):
    """A figure with panels side by side.

    Args:
        title: str, of a line or several.
        panels: int.

    Returns:
        the figure, and a list of axes.
    """
    figure = pictures.figure(1.5 + 4.5 * panels, 4.8)
    figure.suptitle(title, fontsize=10, wrap=True)
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for panel in axes:
        panel.grid(alpha=0.3)
    return figure, axes


def draw_mean(panel, place, values, interval, name=None, look=None, label=None):
    """Several figures as grey dots beside one another, and right of them their mean.

    Args:
        panel: of matplotlib.
        place: float. Where on the axis of x, on which places are 1 apart.
        values: float (K,).
        interval: float, float or None, float or None: mean, low and high, as of `student`.
        name: str, of which `figures.style` knows the look.
        look: dict or None. The look, instead of a name.
        label: str or None, for the legend.
    """
    mean, low, high = interval
    error = None if low is None else [[mean - low], [high - mean]]
    if len(values) > 1:  # of one, the mean says it all
        # Beside one another, since figures that are nearly equal would hide each other.
        places = place + np.linspace(-0.05 - _DOTS, -0.05, len(values))
        panel.plot(places, values, "o", color="grey", markersize=3, alpha=0.6)
        place += 0.05
    look = look or figures.style(name)
    panel.errorbar(place, mean, error, capsize=4, linestyle="none", label=label, **look)


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
    # Of these sizes alone, so that panels with fewer points have the same axis.
    margin = max(sizes[-1] / sizes[0], 2) ** 0.05
    getattr(axis.axes, f"set_{axis.axis_name}lim")(sizes[0] / margin, sizes[-1] * margin)


def short(number):
    """A number of inputs as people say it: 8192 is 8k."""
    return f"{number // 1024}k" if number >= 1024 and number % 1024 == 0 else f"{number:,}"


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
