"""The picture of what was measured: of one result the loss by place, of several their curves."""

import math
import pathlib
from itertools import starmap

import numpy as np

from pipelines import figures
from pipelines.atomic_files import write_bytes
from pipelines.errors import UserError
from pipelines.evaluation.report import UNITS, axes_of, axis_text, range_text, targets_text
from pipelines.figures import COLOURS, MARKERS

KINDS = (".png", ".svg")
_LABELS = {
    "step": "step of training",
    "num_latents": "latents of a row",
    "context": "context (inputs of a row)",
    "stride": "stride (targets scored in a row)",
}
_MOST_LINES = len(COLOURS)


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
    figure = _of_one(results[0], name) if is_one else _of_several(results, name)
    kind = pathlib.PurePath(path).suffix.lower().removeprefix(".")
    write_bytes(path, figures.content(figure, kind, dpi=150))


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
    title = f"{name}, {result['split']}, step {result['step']:,}: {metric} {value:.4g}"
    if result["ci95"]:
        title += " (95 % interval over documents: {:.4g} … {:.4g})".format(*result["ci95"])
    title += (
        f"\n{result['targets']:,} targets, {result['num_latents']:,} latents, "
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
            range(len(losses)), map(range_text, result[key]), rotation=45, ha="right", minor=False
        )
        panel.set(xlabel=label, ylabel="loss (nats for each target)")
        panel.grid(alpha=0.3)
        panel.legend()
    return figure


def _of_several(results, name):
    varied, fixed = axes_of(results)
    metric = results[0]["ci95_of"]
    title = f"{name}, {results[0]['split']}: {metric}"
    if any(result["ci95"] for result in results):
        title += ", with its 95 % interval over documents"
    what = [targets_text(results), *starmap(axis_text, fixed.items())]
    figure, panels = _figure(len(varied), f"{title}\n{', '.join(what)}")
    for panel, axis in zip(panels, varied, strict=True):
        others = [other for other in varied if other != axis]
        lines = {}
        for result in results:
            lines.setdefault(tuple(result[other] for other in others), []).append(result)
        for number, (key, line) in enumerate(lines.items()):
            label = ", ".join(map(axis_text, others, key))
            style = number % _MOST_LINES
            _draw_line(panel, line, axis, metric, label, COLOURS[style], MARKERS[style])
        if axis == "step":
            panel.xaxis.get_major_locator().set_params(integer=True)
        else:
            ticks = sorted({result[axis] for result in results})
            panel.set_xscale("log", base=2)
            panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks], minor=False)
            panel.minorticks_off()
        panel.set(xlabel=_LABELS[axis], ylabel=f"{metric} ({UNITS[metric]})")
        panel.grid(alpha=0.3)
        if others:
            panel.legend(fontsize="small")
    return figure


def _draw_line(panel, line, axis, metric, label, colour, marker):
    line = sorted(line, key=lambda result: result[axis])
    values = np.array([result[metric] for result in line])
    ends = np.array([result["ci95"] or [math.nan] * 2 for result in line])
    panel.errorbar(
        [result[axis] for result in line],
        values,
        np.abs(ends - values[:, None]).T,
        color=colour,
        marker=marker,
        capsize=3,
        label=label or None,
    )
