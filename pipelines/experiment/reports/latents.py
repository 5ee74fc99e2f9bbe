"""Experiment d: latents chosen at evaluation time."""

import numpy as np

from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.reports import plots
from pipelines.experiment.reports.per_document import bits, unit_of

CLAIM = (
    "Compute can be chosen at evaluation time: with fewer or more latents than in training the "
    "paper's likelihoods get worse or better smoothly."
)


def draw(rows, path):
    """Bits by latents, and by what a target costs."""
    unit, first = unit_of(rows), rows[0]
    figure, panels = plots.new_figure(
        f"Trained with {first['trained_latents']} latents over {int(first['context']):,} inputs, "
        f"measured with others, {first['device']}",
        panels=2,
    )
    for number, split in enumerate(_splits(rows)):
        curve = [
            (size, value, *(interval or (value, value)), cost)
            for size, value, interval, cost in _curve(rows, split)
        ]
        sizes, values, low, high, costs = np.transpose(curve)
        error = [values - low, high - values]
        style = {"color": figures.COLOURS[number], "marker": figures.MARKERS[number]}
        panels[0].errorbar(
            sizes, values, error, capsize=3, label=f"{split}, 95 % interval over documents", **style
        )
        panels[1].plot(costs / 1e6, values, label=split, **style)
    plots.sizes_on(panels[0].xaxis, [size for size, *_ in _curve(rows, _splits(rows)[0])])
    panels[0].axvline(
        int(first["trained_latents"]), color="grey", linestyle="--", label="as in training"
    )
    panels[0].set(xlabel="latents when measured", ylabel=f"bits per {unit}")
    panels[1].set(xlabel="MFLOPs for each target (forward pass)", ylabel=f"bits per {unit}")
    costs = [cost / 1e6 for _, _, _, cost in _curve(rows, _splits(rows)[0])]
    panels[1].set_xscale("log")
    panels[1].set_xticks(costs, [f"{cost:.3g}" for cost in costs], rotation=45)
    panels[1].xaxis.set_ticks([], minor=True)
    panels[0].legend(frameon=False, fontsize="small")
    pictures.save(figure, path)


def tell(rows):
    """Best and worst numbers of latents beside the one of training, and a table."""
    unit, trained = unit_of(rows), int(rows[0]["trained_latents"])
    parts = []
    for split in _splits(rows):
        curve = _curve(rows, split)
        values = {size: value for size, value, *_ in curve}
        best = min(values, key=values.get)
        sizes = sorted(values)
        text = f"on {split} {best:,} latents are best ({values[best]:.3f} bits per {unit})"
        if trained in values:
            text += (
                f"; the {trained:,} of training take {values[trained]:.3f}, "
                f"{sizes[0]:,} take {values[sizes[0]]:.3f}, {sizes[-1]:,} {values[sizes[-1]]:.3f}"
            )
            more = [values[size] for size in sizes if size > trained]
            if more and min(more) >= values[trained]:
                text += ": **more latents than in training do not help at this size**"
        parts.append(text)
    head = ["latents", "MFLOPs for a target", *(f"bits per {unit}, {s}" for s in _splits(rows))]
    curves = {split: _curve(rows, split) for split in _splits(rows)}
    lines = []
    for index, (size, _, _, cost) in enumerate(curves[_splits(rows)[0]]):
        lines.append([f"{size:,}", f"{cost / 1e6:.2f}"])
        for split in _splits(rows):
            _, value, interval, _ = curves[split][index]
            text = f"{value:.3f}"
            if interval:
                text += f" ({interval[0]:.3f} … {interval[1]:.3f})"
            lines[-1].append(text)
    start = "; ".join(parts)
    return (
        f"{start[0].upper()}{start[1:]}. As many targets are scored in a row as there are latents, "
        "so that fewer of them cost more for each target where the context is long, and see more "
        f"of what is before. Intervals are over documents.\n\n{plots.table(head, lines)}"
    )


def _splits(rows):
    return sorted({row["split"] for row in rows})


def _curve(rows, split):
    """list of (latents, bits, interval or None, FLOPs of a target)."""
    found = []
    for size in sorted({int(row["latents"]) for row in rows}):
        own = [row for row in rows if int(row["latents"]) == size and row["split"] == split]
        found.append((size, *bits(own), float(own[0]["flops_per_target"])))
    return found
