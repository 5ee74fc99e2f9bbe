"""Report of experiment e: the same images, generated in different orders."""

import collections
import math

import numpy as np

from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.reports import about, plots, student

TITLE = "The order in which an image is generated"
CLAIM = (
    "Quality is less sensitive to the order in which elements are generated: images value by value "
    "in raster order, first all of red, then green, then blue, or in any permutation (Hawthorne et "
    "al., arXiv 2202.07765, and its announcement)."
)
_LABELS = {"own": "told where its inputs are", "target": "told where the next value goes too"}
_HEADS = {
    "own": "A model that is told where its inputs are has these",
    "target": "A model that is also told where the next value goes (`target_positions`) has these",
}


def draw(rows, path):
    """Draws bits per dimension of each order, and how far they are from the first order's.

    Args:
        rows: list of dict of str, the table's.
        path: path of a .svg or .png file.
    """
    kinds = _by_positions(rows)
    first_row = rows[0]
    found = next(iter(_by_order(rows).values()))
    count, images, _ = found.shape
    figure, panels = plots.new_figure(
        f"{TITLE}: {about.count(images, f'{_split(rows)} image')}"
        f"{_size(first_row)}\n"
        f"{about.number(rows, 'steps', 'step')}, {about.parameters(rows)}, "
        f"{first_row['latents']} latents, context {int(first_row['context']):,}, "
        f"{about.device(rows)}\n"
        + (
            f"grey: each of {count} seeds; coloured: their mean, bars its 95 % interval (Student's "
            "t over seeds)"
            if count > 1
            else "one seed"
        ),
        panels=2,
    )
    for number, (positions, of_kind) in enumerate(kinds.items()):
        found = _by_order(of_kind)
        first = next(iter(found))
        bits = {order: _bits(of_order) for order, of_order in found.items()}
        behind = {order: own - bits[first] for order, own in bits.items() if order != first}
        shift = 0.4 * number - 0.2 * (len(kinds) - 1)
        _draw_panel(panels[0], bits, number, shift, _LABELS[positions])
        _draw_panel(panels[1], behind, number, shift, _LABELS[positions])
    panels[0].set(xlabel="order of the values", ylabel="bits per dimension (less is better)")
    panels[1].axhline(0, color="black", linewidth=0.8)
    panels[1].set(xlabel="order of the values", ylabel=f"bits per dimension more than {first}")
    figures.legend_below(figure)
    pictures.save(figure, path)


def tell(rows):
    """Paragraphs of Markdown: bits per dimension, and what differs between the orders."""
    kinds = _by_positions(rows)
    return "\n\n".join(_tell_one(of_kind, _HEADS[kind]) for kind, of_kind in kinds.items())


def _tell_one(rows, head):
    found = _by_order(rows)
    first, *others = found
    count = len(_bits(found[first]))
    means = {order: student.mean_interval(_bits(found[order])) for order in found}
    told = [
        f"{head} bits per dimension on {found[first].shape[1]} {_split(rows)} "
        f"image{'s' * (found[first].shape[1] > 1)} after "
        f"{int(rows[0]['steps']):,} steps, mean of {count} seed{'s' * (count > 1)}"
        f"{' (95 % interval over seeds)' * (count > 1)}: "
        + ", ".join(f"{order} {student.text(*means[order])}" for order in found)
        + " (a value drawn blindly costs 8)."
    ]
    differing = []
    for order in others:
        seeds = student.mean_interval(_bits(found[order]) - _bits(found[first]))
        images = _interval_over_images(found[order], found[first])
        text = (
            f"{order.capitalize()} costs {student.text(*seeds)} more than {first}, or "
            f"{seeds[0] / means[first][0]:+.1%}"
        )
        if images:
            text += "; over images the interval of that difference is {:.3f} … {:.3f}".format(
                *images
            )
        told.append(f"{text}.")
        # Of both: other weights and other images might show another sign.
        if count > 1 and images and all(low > 0 or high < 0 for low, high in (seeds[1:], images)):
            differing.append(f"{order} is {'worse' if seeds[0] > 0 else 'better'} than {first}")
    if count == 1 or found[first].shape[1] == 1:
        told.append("Of one seed, or of one image, nothing can be said of chance.")
    elif differing:
        told.append(
            f"So the order is not without effect at this size: {', and '.join(differing)}, beyond "
            "chance. Whether another architecture depends on it more was not measured here."
        )
    else:
        told.append(
            "No order differs from the first beyond chance, as the paper claims; whether another "
            "architecture depends on it more was not measured here."
        )
    return " ".join(told)


def _by_positions(rows):
    """Rows by what the models were told of positions; tables of old know their own alone."""
    return {
        kind: own
        for kind in _LABELS
        if (own := [row for row in rows if row.get("positions", "own") == kind])
    }


def _by_order(rows):
    """Of each order, nats and targets: float (seeds, images, 2). Seeds that all orders have."""
    split, cells = _split(rows), collections.defaultdict(dict)
    for row in rows:
        if row["split"] == split:
            of_seed = cells[row["order"]].setdefault(int(row["seed"]), {})
            of_seed[int(row["document"])] = float(row["nats"]), float(row["targets"])
    seeds = sorted(set.intersection(*(set(of_order) for of_order in cells.values())))
    return {
        order: np.array([[of_order[s][d] for d in sorted(of_order[s])] for s in seeds])
        for order, of_order in cells.items()
    }


def _split(rows):
    return rows[0]["split"]


def _bits(of_order):
    """Bits per dimension of each seed."""
    nats, targets = of_order.sum(axis=1).T
    return nats / targets / np.log(2)


def _interval_over_images(one, other):
    """Of the difference of two orders, image by image, of the mean over seeds."""
    from pipelines.evaluation.interval import ratio_interval

    difference = (one - other)[..., 0].mean(axis=0) / np.log(2)
    return ratio_interval(difference, other[..., 1].mean(axis=0))


def _draw_panel(panel, bits, number, shift, label):
    look = {"color": figures.COLOURS[number], "marker": figures.MARKERS[number]}
    for place, values in enumerate(bits.values()):
        interval = student.mean_interval(values)
        plots.draw_mean(panel, place + shift, values, interval, look=look, label=label)
    panel.set_xticks(range(len(bits)), list(bits))
    panel.set_xlim(-0.5, len(bits) - 0.5)


def _size(row):
    """The size of images of which the context is all values, three of a pixel."""
    size = math.isqrt(int(row["context"]) // 3)
    return f" of {size} × {size} pixels" if 3 * size**2 == int(row["context"]) else ""
