"""The chart of a sweep."""

import pathlib

from pipelines import figures
from pipelines.benchmark.sweep import AXES, CSV_NAME, read_table
from pipelines.errors import UserError

LABELS = {
    "perceiver_ar": "Perceiver AR",
    "transformer": "Transformer",
    "transformer_xl": "Transformer-XL",
}
# Sweep, label of its axis, column of what stays, and how that is called.
_PANELS = (
    ("context", "context (inputs)", "layers", "{} blocks"),
    ("depth", "depth (blocks)", "context", "context {}"),
)
_RATES = (("steps_per_second", "steps per second"), ("targets_per_second", "targets per second"))


def check_installed():
    """Refuses a chart that could not be drawn, before hours of measuring.

    Raises:
        UserError: no matplotlib.
    """
    figures.check_installed(
        "the chart needs",
        "measure with --no-chart and draw later, anywhere: python -m pipelines.benchmark chart",
    )


def draw(folder):
    """Draws sweep.png and sweep.svg from the sweep.csv of a folder.

    Args:
        folder: str.

    Returns:
        list of paths.

    Raises:
        UserError: no table, nothing in it, or no matplotlib.
    """
    rows = _read(pathlib.Path(folder) / CSV_NAME)
    check_installed()
    sweeps = [panel for panel in _PANELS if any(row["sweep"] == panel[0] for row in rows)]
    figure = figures.figure(4 + 4 * len(sweeps), 7)
    panels = figure.subplots(2, len(sweeps), squeeze=False)
    for line, (rate, rate_label) in enumerate(_RATES):
        for column, (sweep, size_label, fixed, title) in enumerate(sweeps):
            panel = panels[line, column]
            own = [row for row in rows if row["sweep"] == sweep]
            _draw_panel(panel, own, AXES[sweep], rate)
            panel.set(xlabel=size_label, ylabel=rate_label, title=title.format(own[0][fixed]))
    figures.legend_below(figure, ncols=4)
    figure.suptitle(_title(rows))
    files = [pathlib.Path(folder) / f"sweep.{kind}" for kind in ("png", "svg")]
    for file in files:
        file.write_bytes(figures.content(figure, file.suffix[1:], dpi=150))
    return files


def _draw_panel(panel, rows, size, rate):
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.grid(alpha=0.3)
    for model, label in LABELS.items():
        own = [row for row in rows if row["model"] == model]
        done = sorted((row for row in own if row.get(rate)), key=lambda row: int(row[size]))
        if own:
            panel.plot(
                [int(row[size]) for row in done],
                [float(row[rate]) for row in done],
                **figures.style(model),
                label=label,
            )
    full = [row for row in rows if row["oom"]]
    for row in full:
        # On the frame below: there is no rate to place it by.
        place = list(LABELS).index(row["model"])
        panel.plot(
            int(row[size]),
            0.03 + 0.05 * place,
            marker="x",
            color=figures.style(row["model"])["color"],
            linestyle="none",
            transform=panel.get_xaxis_transform(),
        )
    if full:  # its legend, in a colour that is no model's
        panel.plot([], [], "x", color="grey", label="out of memory")
    sizes = sorted({int(row[size]) for row in rows})
    panel.set_xticks(sizes, [_short(number) for number in sizes], minor=False)
    panel.minorticks_off()


def _short(number):
    return f"{number // 1024}k" if number % 1024 == 0 else str(number)


def _title(rows):
    first = next((row for row in rows if row.get("device")), None)
    if first is None:
        return "nothing could be measured"
    latents = [int(row["latents"]) for row in rows if row.get("latents")]
    model = [f"width {first['width']}"]
    model += [f"{first['heads']} heads"] if first.get("heads") else []
    model += [f"at most {max(latents):,} latents"] if latents else []
    title = f"Train step, {', '.join(model)}, batch {first['batch']}, {first['dtype']}"
    return (
        f"{title}\n{first['backend']} on {first['device']}"
        + (f", median of {first['runs']} runs" if first.get("runs") else "")
        + ("; where a line has no point, nothing was measured" if _is_partial(rows) else "")
    )


def _is_partial(rows):
    """Whether a model lacks a size that another one has, in whichever sweep."""
    return any(
        len({frozenset(row[size] for row in own if row["model"] == model) for model in models}) > 1
        for sweep, size in AXES.items()
        if (own := [row for row in rows if row["sweep"] == sweep])
        if (models := {row["model"] for row in own})
    )


def _read(file):
    if not file.exists():
        raise UserError(f"there is no {file}: measure a sweep first")
    rows = read_table(file)
    if not rows:
        raise UserError(f"{file} holds no point: measure a sweep first")
    return rows
