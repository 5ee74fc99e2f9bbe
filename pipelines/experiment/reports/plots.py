"""Panels, figures and tables that reports have in common."""

from pipelines.experiment import pictures


def new_figure(title, panels=1):
    """A figure with panels side by side.

    Args:
        title: str.
        panels: int.

    Returns:
        the figure, and a list of axes.
    """
    figure = pictures.figure(1.5 + 4.5 * panels, 4.2)
    figure.suptitle(title)
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for panel in axes:
        panel.grid(alpha=0.3)
    return figure, axes


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
