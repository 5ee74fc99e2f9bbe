"""Experiment c: beside a Transformer and a Transformer-XL."""

from pipelines.experiment import pictures
from pipelines.experiment.reports import about, plots, student
from pipelines.experiment.reports.per_document import bits_of_runs, unit_of

TITLE = "Beside a Transformer and a Transformer-XL"
CLAIM = (
    "On books 60 layers over 8192 inputs beat a Transformer-XL of 42 layers and take less time a "
    "step (perplexity 12.66 and 13.25)."
)
LABELS = {
    "perceiver_ar": "Perceiver AR",
    "transformer": "Transformer",
    "transformer_xl": "Transformer-XL",
}
EQUAL = {"time": "as long", "targets": "on as many targets"}


def draw(rows, path):
    """Bits of each model, trained for the same time and on the same number of targets."""
    rows = _comparable(rows)
    unit, split = unit_of(rows), _split(rows)
    of_split = [row for row in rows if row["split"] == split]
    figure, panels = plots.new_figure(
        f"{TITLE}: models of {about.parameters(rows)} each, {about.device(rows)}\n"
        f"{about.documents(of_split)}, {_seeds(rows)}"
        + ("; grey: each seed; bars: 95 % interval over seeds" if _most_seeds(rows) > 1 else ""),
        panels=2,
    )
    for panel, (equal, how) in zip(panels, EQUAL.items(), strict=True):
        names = []
        for place, (model, label) in enumerate(LABELS.items()):
            own = [row for row in of_split if (row["model"], row["equal"]) == (model, equal)]
            names.append(label)
            if not own:
                continue
            runs = bits_of_runs(own)
            plots.draw_mean(panel, place, runs, student.mean_interval(runs), model)
            names[-1] += (
                f"\n{about.number(own, 'inputs', 'input')}\n{about.number(own, 'steps', 'step')}"
                f"\n{float(own[0]['training_targets']) / 1e6:.3g} M targets"
                f"\n{_seconds(own):.0f} s"
            )
        panel.set_xticks(range(len(LABELS)), names)
        panel.set(
            ylabel=f"bits per {unit} (less is better)",
            title=f"trained {how}",
            xlim=(-0.5, len(LABELS) - 0.5),
        )
    pictures.save(figure, path)


def tell(rows):
    """Which model is best in either setting, and a table."""
    rows = _comparable(rows)
    unit, split = unit_of(rows), _split(rows)
    parts = []
    for equal, how in EQUAL.items():
        found = {
            model: bits_of_runs(rows, model=model, equal=equal, split=split) for model in LABELS
        }
        found = {model: runs for model, runs in found.items() if runs}
        if "perceiver_ar" not in found:
            continue
        own, half = student.mean_and_half(found["perceiver_ar"])
        text = f"trained {how}, Perceiver AR takes {plots.with_interval(own, half)} bits per {unit}"
        for model, runs in found.items():
            if model == "perceiver_ar":
                continue
            gain, half = student.mean_and_half(
                [b - a for a, b in zip(found["perceiver_ar"], runs, strict=True)]
            )
            text += (
                f", {abs(gain):.3f}"
                + ("" if half is None else f" (± {half:.3f})")
                + f" {'fewer' if gain > 0 else 'more'} than the {LABELS[model]}"
            )
            if (equal, model) == ("time", "transformer_xl"):
                text += f" ({student.verdict(gain, half)})"
        parts.append(text)
    head = ["model", "trained", "parameters, M", "inputs", "rows", "steps", "targets, M", "s"]
    head += [f"bits per {unit}, {split}"]
    lines = []
    for equal, how in EQUAL.items():
        for model, label in LABELS.items():
            own = [row for row in rows if (row["model"], row["equal"]) == (model, equal)]
            if not own:
                continue
            runs = bits_of_runs(rows, model=model, equal=equal, split=split)
            first = own[0]
            lines.append(
                [
                    label,
                    how,
                    f"{int(first['params']) / 1e6:.1f}",
                    f"{int(first['inputs']):,}",
                    first["rows"],
                    f"{int(first['steps']):,}",
                    f"{int(first['training_targets']) / 1e6:.1f}",
                    f"{_seconds(own):.0f}",
                    plots.with_interval(*student.mean_and_half(runs)),
                ]
            )
    text = ". ".join(part[0].upper() + part[1:] for part in parts)
    return (
        f"{text}. {_of_seeds(rows)}. "
        "The Transformer is measured with "
        "half of its inputs as context at least, the Transformer-XL with the memory of the "
        f"segments before in its row.\n\n{plots.table(head, lines)}"
    )


def _split(rows):
    splits = {row["split"] for row in rows}
    return "test" if "test" in splits else sorted(splits)[0]


def _comparable(rows):
    """Without the seeds of which a setting lacks a model that it has of others: it was stopped."""
    models, runs = {}, {}
    for row in rows:
        models.setdefault(row["equal"], set()).add(row["model"])
        runs.setdefault((row["equal"], row["seed"]), set()).add(row["model"])
    return [row for row in rows if runs[row["equal"], row["seed"]] == models[row["equal"]]]


def _seeds(rows):
    """Such as "3 seeds"; "3 and 2 seeds" where the settings have not as many."""
    *others, last = dict.fromkeys(_numbers_of_seeds(rows))
    return "".join(f"{other} and " for other in others) + about.count(last, "seed")


def _of_seeds(rows):
    numbers = _numbers_of_seeds(rows)
    if max(numbers) == 1:
        return "One seed"
    if len(set(numbers)) == 1:
        return f"Mean of {numbers[0]} seeds, intervals over seeds"
    told = " and ".join(
        f"{number} trained {how}" for number, how in zip(numbers, EQUAL.values(), strict=False)
    )
    return f"Means of seeds, {told}, intervals over seeds"


def _numbers_of_seeds(rows):
    of_each = (len({row["seed"] for row in rows if row["equal"] == equal}) for equal in EQUAL)
    return [number for number in of_each if number]


def _most_seeds(rows):
    return max(_numbers_of_seeds(rows))


def _seconds(rows):
    return student.mean_and_half([float(row["compiled_seconds"]) for row in rows])[0]
