"""Experiment d: latents chosen at evaluation time."""

import math

import numpy as np

from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.reports import about, plots
from pipelines.experiment.reports.per_document import bits, unit_of

CLAIM = (
    "Compute can be chosen at evaluation time: with fewer or more latents than in training the "
    "paper's likelihoods get worse or better smoothly."
)
_FEWEST = 5  # documents: of two, an interval reaches 12.7 standard errors to either side
_LEAST_APART = 1 / 12  # between the labels of an axis, as a share of it


def draw(rows, path):
    """Bits by latents, and by what a target costs."""
    unit, first = unit_of(rows), rows[0]
    figure, panels = plots.new_figure(
        f"Trained with {int(first['trained_latents']):,} latents over {int(first['context']):,} "
        f"inputs, measured with others\n"
        f"{about.parameters(rows)}, {about.number(rows, 'steps', 'step')}, "
        f"{about.device(rows)}; {about.documents(rows)}",
        panels=2,
    )
    for number, split in enumerate(_splits(rows)):
        sizes, values, intervals, costs = zip(*_curve(rows, split), strict=True)
        ends = np.array([interval or (np.nan, np.nan) for interval in intervals])
        has_interval = np.isfinite(ends).any()
        panels[0].errorbar(
            # Beside one another, since intervals of several splits would cover each other.
            np.array(sizes) * 1.06**number,
            values,
            np.abs(ends - np.array(values)[:, None]).T if has_interval else None,
            capsize=3,
            label=f"{_documents(rows, split)}, 95 % interval" if has_interval else split,
            **figures.style(split),
        )
        panels[1].plot(np.array(costs) / 1e6, values, **figures.style(split))
        panels[1].margins(x=0.12)  # for the number beside the rightmost point
        for size, value, cost in zip(sizes, values, costs, strict=True):
            panels[1].annotate(
                f"{size:,}",
                (cost / 1e6, value),
                xytext=(5, 4),
                textcoords="offset points",
                fontsize="x-small",
            )
    sizes, _, _, costs = zip(*_curve(rows, _splits(rows)[0]), strict=True)
    plots.sizes_on(panels[0].xaxis, sizes)
    panels[0].axvline(
        int(first["trained_latents"]), color="grey", linestyle="--", label="as in training"
    )
    panels[0].set(xlabel="latents when measured", ylabel=f"bits per {unit} (less is better)")
    panels[1].set(
        xlabel="MFLOPs for each target (forward pass); beside a point: latents",
        ylabel=f"bits per {unit}",
        xscale="log",
    )
    ticks = _apart([cost / 1e6 for cost in costs])
    panels[1].set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    panels[1].xaxis.set_ticks([], minor=True)
    figures.legend_below(figure)
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
    several = [
        _documents(rows, split)
        for split in _splits(rows)
        if any(interval for _, _, interval, _ in curves[split])
    ]
    over = f" Intervals are over {' and over '.join(several)}." if several else ""
    return (
        f"{start[0].upper()}{start[1:]}. As many targets are scored in a row as there are latents, "
        "so that fewer of them cost more for each target where the context is long, and see more "
        f"of what is before.{over}\n\n{plots.table(head, lines)}"
    )


def _apart(numbers):
    """Of numbers on a logarithmic axis, ascending, those whose labels do not overlap."""
    numbers = sorted(numbers)
    least = math.log(numbers[-1] / numbers[0]) * _LEAST_APART
    kept = numbers[-1:]  # the highest stands alone as a rule: lower ones crowd
    for number in reversed(numbers[:-1]):
        if math.log(kept[-1] / number) >= least:
            kept.append(number)
    return kept[::-1]


def _documents(rows, split):
    return about.documents([row for row in rows if row["split"] == split])


def _splits(rows):
    return sorted({row["split"] for row in rows})


def _curve(rows, split):
    """list of (latents, bits, interval or None, FLOPs of a target)."""
    found = []
    for size in sorted({int(row["latents"]) for row in rows}):
        own = [row for row in rows if int(row["latents"]) == size and row["split"] == split]
        value, interval = bits(own)
        if len(own) < _FEWEST:
            interval = None
        found.append((size, value, interval, float(own[0]["flops_per_target"])))
    return found
