"""Report of experiment f: piano performances, played and drawn."""

import collections
import textwrap

import numpy as np

from keras_perceiver_ar.codecs import event_ids, performance_codec
from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.performance_statistics import PITCH_CLASSES, QUANTILES
from pipelines.experiment.reports import about, plots, student

TITLE = "Piano performances"
CLAIM = (
    "Trained on MAESTRO's performances as events, Perceiver AR reaches a negative log-likelihood "
    "of 1.82 nats per event (v1; v3: 1.91; Music Transformer: 1.84), and writes music from scratch "
    "(Hawthorne et al., arXiv 2202.07765)."
)
_NAMES = {
    "training": "played (training)",
    "validation": "played (validation)",
    "continued": "drawn, after a primer",
    "unprompted": "drawn, from nothing",
}
PAPER = 1.82  # nats per event, MAESTRO v1
_EVENTS = performance_codec.VOCAB_SIZE - event_ids.NUM_RESERVED
# Column of the table, what it is, digits.
_STATISTICS = (
    ("notes_per_second", "notes per second", 2),
    ("velocity", "mean velocity (0 – 127)", 1),
    ("polyphony", "notes that sound at once", 2),
    ("onset_gap_50", "median time between onsets (s)", 3),
    ("pitch_class_distance", "distance of pitch classes from training's (0 – 1)", 2),
)
# What a label leaves open.
_DEFINITIONS = {
    "notes_per_second": "from the first onset to the last offset",
    "velocity": "how hard keys are struck",
    "polyphony": "on average while one does",
    "onset_gap_50": "a chord at once is one onset",
    "pitch_class_distance": "half the sum of |share − share in training| of 12 classes",
}


def draw(rows, path):
    """Draws likelihood and statistics, those of samples beside those of played performances.

    Args:
        rows: list of dict of str, the table's.
        path: path of a .svg or .png file.
    """
    figure = pictures.figure(13, 11)
    panels = figure.subplots(3, 3)
    _draw_likelihood(panels[0, 0], rows)
    found = _by_source(rows)
    for panel, (column, label, _) in zip(panels.flat[1:], _STATISTICS, strict=False):
        for place, source in enumerate(found):
            _draw_mean(panel, place, found[source], column, source)
        names = [_NAMES[source].replace(", ", "\n").replace(" (", "\n(") for source in found]
        panel.set_xticks(range(len(found)), names, fontsize=8)
        panel.set(ylabel=textwrap.fill(label, 32), xlim=(-0.5, len(found) - 0.5))
        panel.set_title(_DEFINITIONS[column], fontsize=8)
        panel.set_ylim(bottom=0)  # as all of them are
    gaps, classes = panels[2, 0], panels[2, 1]
    for source, of_source in found.items():
        look = {**figures.style(source), "label": _NAMES[source]}
        means = [_values(of_source, f"onset_gap_{q}").mean() for q in QUANTILES]
        gaps.plot(means, QUANTILES, **look)
        shares = [
            _values(of_source, f"pitch_class_{number}").mean()
            for number in range(len(PITCH_CLASSES))
        ]
        classes.plot(range(len(shares)), shares, **look)
    gaps.set(xscale="log", xlabel="time between onsets (s)", ylabel="times that are shorter (%)")
    classes.set_xticks(range(len(PITCH_CLASSES)), PITCH_CLASSES)
    classes.set(xlabel="pitch class", ylabel="share of the notes", ylim=(0, None))
    for panel in (gaps, classes):
        panel.set_title("mean over performances", fontsize=8)
    panels[2, 2].axis("off")
    panels[2, 2].legend(*classes.get_legend_handles_labels(), loc="center", frameon=False)
    for panel in panels.flat[:8]:
        panel.grid(alpha=0.3)
    figure.suptitle(_heading(rows), fontsize=10)
    pictures.save(figure, path)


def _heading(rows):
    measured = [row for row in rows if row["part"] == "likelihood"]
    first = measured[0]
    return (
        f"{TITLE} as MIDI events, played and drawn by Perceiver AR: {about.parameters(measured)}, "
        f"{about.number(measured, 'steps', 'step')}, context {int(first['context']):,} events, "
        f"{first['latents']} latents, {about.device(measured)}\n"
        f"Likelihood of {about.documents(measured, 'performance')} ({about.seeds(measured)}). "
        "Statistics of equally many events of each performance: those behind a primer's place,\n"
        "or from the beginning where it was drawn from nothing. Grey: each performance; coloured: "
        "the mean, bars its 95 % interval\n"
        "(Student's t over performances; samples of one primer count as one)"
    )


def tell(rows):
    """A paragraph of Markdown: likelihood, and where samples differ from what was played."""
    told, likelihood = [], _likelihood(rows)
    for split, (nats, low, high, count) in likelihood.items():
        interval = "" if low is None else f" ({low:.3f} … {high:.3f})"
        told.append(f"{nats:.3f}{interval} nats per event on {count} performances of {split}")
    first = next(row for row in rows if row["part"] == "likelihood")
    seeds = len({row["seed"] for row in rows if row["part"] == "likelihood"})
    paragraph = (
        f"After {int(first['steps']):,} steps at a context of {int(first['context']):,} events "
        f"with {int(first['latents']):,} latents ({seeds} seed{'s' * (seeds > 1)}): "
        f"{', '.join(told)} (95 % intervals over performances; an event drawn blindly costs "
        f"{np.log(_EVENTS):.2f}). {_beside_the_paper(likelihood)}"
    )
    found = _by_source(rows)
    for source in ("continued", "unprompted"):
        if source in found and "validation" in found:
            paragraph += " " + _compare(source, found)
    return paragraph


def _beside_the_paper(likelihood):
    nats, low, *_ = likelihood.get("test") or next(iter(likelihood.values()))
    if (nats if low is None else low) > PAPER:
        return f"The paper's {PAPER} nats, of a larger model on all of MAESTRO, are not reached."
    return f"That is no worse than the paper's {PAPER} nats on MAESTRO, of another split perhaps."


def _compare(source, found):
    """A sentence or two: what is drawn beside what was played."""
    drawn, played = found[source], found["validation"]
    parts, differing = [], []
    for column, label, digits in _STATISTICS:
        here, there = _of_groups(drawn, column), _of_groups(played, column)
        if not here.size or not there.size:
            continue
        means = [student.text(*student.mean_interval(x), digits) for x in (here, there)]
        parts.append(f"{label} {means[0]}, played {means[1]}")
        if min(here.size, there.size) > 1 and min(here.std(), there.std()) > 0:
            low, high = student.difference_interval(here, there)
            if low > 0 or high < 0:
                differing.append(label)
    silent = sum(int(row["notes"]) == 0 for row in drawn)
    primers = len({row["group"] for row in drawn})
    count = f"{len(drawn)} performances" + f" of {primers} primers" * (primers < len(drawn))
    return (
        f"{_NAMES[source].capitalize()} ({count}"
        f"{f', {silent} of them silent' * bool(silent)}): {'; '.join(parts)}. "
        + (
            f"Beyond chance (Welch's test, 95 %) the samples differ in {', '.join(differing)}."
            if differing
            else "In none of these do the samples differ from validation beyond chance (Welch's "
            "test, 95 %)."
        )
    )


def _likelihood(rows):
    """Of each split: nats per event, low, high (None of one performance) and how many those are.

    Nats are summed over seeds, document by document.
    """
    from pipelines.evaluation.interval import ratio_interval

    cells = collections.defaultdict(lambda: collections.defaultdict(lambda: np.zeros(2)))
    for row in rows:
        if row["part"] == "likelihood":
            counted = float(row["nats"]), float(row["targets"])
            cells[row["split"]][row["document"]] += counted
    found = {}
    for split, documents in cells.items():
        nats, targets = np.array(list(documents.values())).T
        interval = ratio_interval(nats, targets) or (None, None)
        found[split] = (nats.sum() / targets.sum(), *interval, len(nats))
    return found


def _by_source(rows):
    """Rows of statistics by their source, in the order of `_NAMES`."""
    of_each = {
        source: [row for row in rows if row["part"] == "statistics" and row["source"] == source]
        for source in _NAMES
    }
    return {source: of_source for source, of_source in of_each.items() if of_source}


def _values(rows, column):
    """A column, float (K,), without performances that have no such figure."""
    values = np.array([float(row[column]) for row in rows])
    return values[np.isfinite(values)]


def _of_groups(rows, column):
    """A column's means over the rows of each group: what is independent of one another."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    means = [_values(group, column) for group in groups.values()]
    return np.array([values.mean() for values in means if values.size])


def _draw_likelihood(panel, rows):
    found = _likelihood(rows)
    for place, (split, (nats, low, high, _)) in enumerate(found.items()):
        error = None if low is None else [[nats - low], [high - nats]]
        panel.errorbar(place, nats, error, capsize=4, **figures.style(split))
        panel.annotate(f"{nats:.2f}", (place, nats), xytext=(8, -3), textcoords="offset points")
    names = [
        f"{split}\n({about.count(count, 'performance')})"
        for split, (_, _, _, count) in found.items()
    ]
    panel.set_xticks(range(len(found)), names, fontsize=8)
    panel.set(ylabel="nats per event (less is better)", xlim=(-0.5, len(found) - 0.5))
    panel.set_title("likelihood; bars: 95 % interval over performances", fontsize=8)


def _draw_mean(panel, place, rows, column, source):
    groups = _of_groups(rows, column)
    if groups.size:
        interval = student.mean_interval(groups)
        plots.draw_mean(panel, place, _values(rows, column), interval, source)
