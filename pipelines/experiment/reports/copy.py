"""Experiment a: how far a copy reaches."""

import numpy as np
from scipy import stats

from pipelines import figures
from pipelines.experiment import pictures
from pipelines.experiment.reports import about, plots

TITLE = "Copies of ever longer sequences"
PAPER = 131_072  # positions
CLAIM = (
    f"The paper trains on sequences of {PAPER:,} positions whose second half mirrors the first, "
    "and copies all of them (section 4.1)."
)
GOAL = 0.999


def draw(rows, path):
    """Wrong guesses by length, and how long it took to learn each length."""
    rows = sorted(rows, key=_positions)
    stages = [row for row in rows if row["stage"] == row["positions"]]
    steps = sum(int(row["steps"]) for row in stages)
    figure, (wrong, seconds) = plots.new_figure(
        f"Copying a random sequence backwards: {about.parameters(rows)}, {about.device(rows)}\n"
        f"a curriculum of {about.count(len(stages), 'length')}, {about.count(steps, 'step')} in "
        f"all; {about.number(rows, 'targets', 'mirrored id')} measured of each length",
        panels=2,
    )
    lengths = [_positions(row) for row in rows]
    shares, low, high = np.transpose([_share_wrong(row) for row in rows])
    wrong.errorbar(
        lengths,
        shares,
        [shares - low, high - shares],
        color=figures.COLOURS[0],
        marker=figures.MARKERS[0],
        capsize=3,
        label="guessed wrong, 95 % interval (Wilson's)",
    )
    wrong.axhline(
        1 - GOAL, color="grey", linestyle="--", label=f"below {1 - GOAL:.1%} wrong: learned"
    )
    wrong.set(yscale="log", ylabel="mirrored ids guessed wrong (share)")
    for learned, label, look in (
        (True, "learned", {"color": figures.COLOURS[1], "marker": figures.MARKERS[1]}),
        (False, "not learned when its training ended", {"color": "grey", "marker": "x"}),
    ):
        own = [row for row in stages if _is_learned(row) == learned]
        if own:
            seconds.plot(
                [_positions(row) for row in own],
                [float(row["training_seconds"]) for row in own],
                linestyle="-" if learned else "none",
                label=label,
                **look,
            )
    seconds.set(ylabel="training until then (s, with compilation)", ylim=(0, None))
    for panel in (wrong, seconds):
        panel.set_xlabel("positions of a sequence")
        plots.sizes_on(panel.xaxis, lengths)
        panel.tick_params("x", rotation=45)
    figures.legend_below(figure)
    pictures.save(figure, path)


def tell(rows):
    """The longest context that was learned, how fast, and a table of all."""
    good = [row for row in rows if _is_learned(row)]
    longest = max((_positions(row) for row in rows), default=0)
    if good:
        best = max(good, key=_positions)
        seconds = float(best["training_seconds"])
        text = (
            f"The longest sequences of which at least {GOAL:.1%} are copied have "
            f"**{_positions(best):,} positions**: {int(best['right']):,} of "
            f"{int(best['targets']):,} mirrored ids are right, after {seconds:.0f} s of training "
            f"({about.device(rows)}, {int(best['params']) / 1e6:.1f} M parameters)."
        )
        if _positions(best) < longest:
            text += (
                f" **The claim does not hold here beyond**: of {longest:,} positions it is less."
            )
    else:
        text = (
            f"**The claim does not hold at this size**: of no length up to {longest:,} positions "
            f"{GOAL:.1%} were copied."
        )
    text += (
        " It is a curriculum: a stage ends when it is learned, and a short sequence has the "
        "positions around the middle of the longest one, so that each stage only reaches further "
        "out. Lengths without training of their own were measured on the last model."
    )
    head = ["positions", "right", "of", "steps", "s until then", "rows"]
    lines = [
        [
            f"{_positions(row):,}",
            f"{float(row['accuracy']):.3%}",
            f"{int(row['targets']):,}",
            *(
                [f"{int(row['steps']):,}", f"{float(row['training_seconds']):.0f}", row["rows"]]
                if row["stage"] == row["positions"]
                else ["–"] * 3
            ),
        ]
        for row in sorted(rows, key=_positions)
    ]
    return f"{text}\n\n{plots.table(head, lines)}"


def _positions(row):
    return int(row["positions"])


def _is_learned(row):
    return float(row["accuracy"]) >= GOAL


def _share_wrong(row):
    wrong, targets = int(row["targets"]) - int(row["right"]), int(row["targets"])
    interval = stats.binomtest(wrong, targets).proportion_ci(0.95, "wilson")
    # Of none a logarithmic axis shows the half of one.
    return max(wrong, 0.5) / targets, max(interval.low, 0.25 / targets), interval.high
