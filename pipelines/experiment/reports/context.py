"""Experiment b: what a longer context brings at equal compute."""

import math

import numpy as np

from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.reports import about, plots, student
from pipelines.experiment.reports.per_document import bits_of_runs, unit_of

TITLE = "More context at equal compute"
CLAIM = (
    "On its internal set of books the paper's perplexity falls from 14.88 to 14.56 as the context "
    "grows from 1024 to 16,384, latents and depth staying as they are."
)


def draw(rows, path):
    """Bits by context, a line for each split."""
    unit, contexts = unit_of(rows), _contexts(rows)
    figure, (panel,) = plots.new_figure(
        f"{rows[0]['latents']} latents over more and more context at equal FLOPs\n"
        f"{about.parameters(rows)}, {about.number(rows, 'steps', 'step')}, "
        f"{about.training_flops(rows)} of training\n"
        f"{about.documents(rows)}; {about.seeds(rows)}; {about.device(rows)}"
    )
    for number, split in enumerate(sorted({row["split"] for row in rows})):
        means, halves = np.transpose([_bits(rows, context, split) for context in contexts])
        panel.errorbar(
            # Beside one another, since intervals of several splits would cover each other.
            np.array(contexts) * 1.03**number,
            means,
            [half or 0 for half in halves],
            capsize=3,
            label=split
            + ("" if _seeds(rows) == 1 else f", mean of {_seeds(rows)} seeds, 95 % interval"),
            **figures.style(split),
        )
    panel.set(xlabel="context (inputs)", ylabel=f"bits per {unit} (less is better)")
    plots.sizes_on(panel.xaxis, contexts)
    figures.legend_below(figure, ncols=1)
    pictures.save(figure, path)


def tell(rows):
    """Whether the longest context is better than the shortest, and a table."""
    unit, contexts = unit_of(rows), _contexts(rows)
    short, long = contexts[0], contexts[-1]
    splits = sorted({row["split"] for row in rows})
    parts = []
    for split in splits:
        gain, half = student.mean_and_half(
            [
                b - a
                for a, b in zip(
                    bits_of_runs(rows, context=long, split=split),
                    bits_of_runs(rows, context=short, split=split),
                    strict=True,
                )
            ]
        )
        parts.append(
            f"on {split} {plots.with_interval(abs(gain), half)} bits per {unit} "
            f"{'fewer' if gain > 0 else 'more'} ({student.verdict(gain, half)})"
        )
    text = "One context alone: there is nothing to compare it with."
    if len(contexts) > 1:
        text = (
            f"From {short:,} to {long:,} inputs ({math.log2(long / short):.3g} doublings) it takes "
            f"{'; '.join(parts)}. "
        )
        if _seeds(rows) > 1:
            text += (
                f"Mean of {_seeds(rows)} seeds, each with both contexts; the interval is "
                "Student's, over seeds. "
            )
        text += (
            "Each context has the FLOPs of the shortest one, so the longer ones take fewer steps."
        )
    scale, flops = _flops(rows)
    head = ["context", "steps", flops, "s", *(f"bits per {unit}, {split}" for split in splits)]
    lines = []
    for context in contexts:
        own = [row for row in rows if int(row["context"]) == context]
        seconds, _ = student.mean_and_half([float(row["seconds"]) for row in own])
        lines.append(
            [
                f"{context:,}",
                f"{int(own[0]['steps']):,}",
                f"{float(own[0]['flops']) / scale:.2f}",
                f"{seconds:.0f}",
                *(plots.with_interval(*_bits(rows, context, split)) for split in splits),
            ]
        )
    return f"{text}\n\n{plots.table(head, lines)}"


def _contexts(rows):
    return sorted({int(row["context"]) for row in rows})


def _flops(rows):
    return about.flops_unit(max(float(row["flops"]) for row in rows))


def _seeds(rows):
    return len({row["seed"] for row in rows})


def _bits(rows, context, split):
    return student.mean_and_half(bits_of_runs(rows, context=context, split=split))
