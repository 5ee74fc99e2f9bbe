"""The picture of what was measured: of one result the loss by place, of several their curves."""

import math
import pathlib
from itertools import starmap

import numpy as np

from pipelines import figures
from pipelines.atomic_files import write_bytes
from pipelines.errors import UserError
from pipelines.evaluation import report
from pipelines.evaluation.report import UNITS, axis_text
from pipelines.figures import COLOURS, MARKERS

KINDS = (".png", ".svg")
_LABELS = {
    "step": "step of training",
    "num_latents": "latents of a row",
    "context": "context (inputs of a row)",
    "stride": "stride (targets scored in a row)",
}
_MOST_LINES = len(COLOURS)
_WIDTHS, _ALONE = (2.5, 1.0), 1.5  # of the first line and the last, and of one alone


def check(path):
    """Refuses a picture that could not be drawn, before anything is measured.

    Args:
        path: str.

    Raises:
        UserError: no such kind of picture, or no matplotlib.
    """
    if pathlib.PurePath(path).suffix.lower() not in KINDS:
        raise UserError(f"--picture must end in {' or '.join(KINDS)}, got {path!r}")
    figures.check_installed("the picture needs", "leave --picture out")


def draw(results, path, name, is_one):
    """Draws results.

    Args:
        results: list of dict; see `evaluation.measure`.
        path: str, local or remote, that ends in one of `KINDS`.
        name: str. What the run is called.
        is_one: bool. Whether one result was asked for.

    Raises:
        UserError: the file cannot be written.
    """
    kind = pathlib.PurePath(path).suffix.lower().removeprefix(".")
    # What is infinite has no place in a picture; numpy would warn of it.
    with np.errstate(all="ignore"):
        figure = _of_one(results[0], name) if is_one else _of_several(results, name)
        content = figures.content(figure, kind, dpi=150)
    write_bytes(path, content)


def _figure(panels, title):
    figure = figures.figure(6 * panels + 1, 5)
    figure.suptitle(title)
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _of_one(result, name):
    labels = {
        "loss_by_position": "place of the target in its document (targets before it)",
        "loss_by_latent": "latent that scored it, from the first of its row",
    }
    labels = {key: label for key, label in labels.items() if result[key]}
    metric, value = result["ci95_of"], result[result["ci95_of"]]
    split, *what = report.what_text([result])
    title = f"{name}, {split}, step {result['step']:,}: {metric} {value:.4g}"
    if result["ci95"]:
        title += f" ({report.interval_text(result)})"
    title += (
        f"\n{', '.join(what)}, {result['num_latents']:,} latents, "
        f"context {result['context']:,}, stride {result['stride']:,}"
    )
    figure, panels = _figure(len(labels), title)
    for panel, (key, label), colour, marker in zip(
        panels, labels.items(), COLOURS, MARKERS, strict=False
    ):
        losses = [bucket["loss"] for bucket in result[key]]
        panel.plot(losses, color=colour, marker=marker)
        panel.axhline(result["loss"], color="grey", linestyle="--", label="of all targets")
        panel.set_xticks(
            range(len(losses)),
            map(report.range_text, result[key]),
            rotation=45,
            ha="right",
            minor=False,
        )
        panel.set(xlabel=label, ylabel="loss (nats for each target)")
        panel.grid(alpha=0.3)
        panel.legend()
    return figure


def _of_several(results, name):
    varied, fixed = report.axes_of(results)
    metric = results[0]["ci95_of"]
    split, *what = report.what_text(results)
    title = f"{name}, {split}: {metric}"
    if any(result["ci95"] for result in results):
        title += f", with its 95 % interval over {report.documents_text(results)}"
        title += report.cut_text(results)
    what += starmap(axis_text, fixed.items())
    figure, panels = _figure(len(varied), f"{title}\n{', '.join(what)}")
    for panel, axis in zip(panels, varied, strict=True):
        others = [other for other in varied if other != axis]
        lines = {}
        for result in results:
            lines.setdefault(tuple(result[other] for other in others), []).append(result)
        names, ticks = _names(lines, axis, others, report.have_other_targets(results))
        # Later lines are finer, and markers open: what is below is seen where lines coincide.
        widths = np.linspace(*_WIDTHS, len(lines)) if len(lines) > 1 else [_ALONE]
        for number, (key, line) in enumerate(lines.items()):
            place = number % _MOST_LINES
            look = {"color": COLOURS[place], "marker": MARKERS[place], "linewidth": widths[number]}
            look["markersize"] = 4 + 2.5 * widths[number]
            if len(lines) > 1:
                look["markerfacecolor"] = "none"
            _draw_line(panel, line, axis, metric, names[key], look)
        if axis == "step":
            panel.xaxis.get_major_locator().set_params(integer=True)
        else:
            panel.set_xscale("log", base=2)
            panel.set_xticks(list(ticks), ticks.values(), minor=False)
            panel.minorticks_off()
        panel.set(xlabel=_LABELS[axis], ylabel=f"{metric} ({UNITS[metric]})")
        panel.grid(alpha=0.3)
        if others:
            panel.legend(fontsize="small")
    return figure


def _draw_line(panel, line, axis, metric, label, look):
    """Joins what is of the same targets, and nothing else."""
    of_targets = {}
    for result in sorted(line, key=lambda result: result[axis]):
        of_targets.setdefault(result["targets"], []).append(result)
    for joined in of_targets.values():
        values = np.array([result[metric] for result in joined])
        ends = np.array([result["ci95"] or [math.nan] * 2 for result in joined])
        panel.errorbar(
            [result[axis] for result in joined],
            values,
            np.abs(ends - values[:, None]).T if np.isfinite(ends).any() else None,
            capsize=3,
            label=label or None,
            **look,
        )
        label = None


def _names(lines, axis, others, have_other_targets):
    """What lines and places on their axis are called, the targets in those that tell them apart.

    Args:
        lines: dict of tuple to list of dict: results, by what they have of the other axes.
        axis: str.
        others: list of str.
        have_other_targets: bool.

    Returns:
        dict of str by key of a line, and dict of str by place, ascending.
    """
    targets = {}
    for line in lines.values():
        for result in line:
            targets.setdefault(result[axis], set()).add(result["targets"])
    by_place = all(len(found) == 1 for found in targets.values())
    names = {}
    for key, line in lines.items():
        parts = list(map(axis_text, others, key))
        if have_other_targets and not by_place:
            parts.append(report.targets_text(line))
        names[key] = ", ".join(parts)
    ticks = {place: f"{place:,}" for place in sorted(targets)}
    if have_other_targets and by_place:
        ticks = {
            place: f"{text}\n({min(targets[place]):,} targets)" for place, text in ticks.items()
        }
    return names, ticks
