"""What was measured as a table for a reader and as JSON for a program."""

import json

import rich.console
import rich.table

from pipelines.atomic_files import write_text
from pipelines.evaluation.metrics import cut_at
from pipelines.training.step_log import finite

# What a figure counts, for a reader of the table.
UNITS = {
    "accuracy": "of the targets, guessed right",
    "bits_per_byte": "bits for each byte of text",
    "bits_per_dim": "bits for each colour value",
    "bits_per_token": "bits for each token",
    "nll_per_event": "nats for each event of music",
    "word_perplexity": "e to the nats for each word",
    "loss": "nats for each target",
    "targets": "tokens scored",
    "batches": "scored, the first of the split",
    "batches_of_split": "in all",
    "documents": "of which something was scored",
    "num_latents": "of a row",
    "context": "inputs of a row at most",
    "stride": "targets scored in a row at most",
    "flops_per_target": "of a whole row's forward pass, by formula",
    "targets_per_second": "as measured here, first batch left out",
    "step": "of training",
}
_PLACES = {
    "loss_by_position": "place of the target in its document, from 0",
    "loss_by_latent": "latent of its row, from 0",
}
# How a column is headed.
_SHORT = {
    "num_latents": "latents",
    "flops_per_target": "FLOPs per target",
    "targets_per_second": "targets per s",
}
_AXES = ("step", "num_latents", "context", "stride")


def axes_of(results):
    """How results differ.

    Args:
        results: list of dict; see `evaluation.measure`.

    Returns:
        list of str, of "step", "num_latents", "context" and "stride" those that differ, without a
        stride that is that of blocks in all of them ("step" if none do); and dict of the others.
    """
    differ = [name for name in _AXES if len({result[name] for result in results}) > 1]
    fixed = {name: results[0][name] for name in _AXES if name not in differ}
    if len({result["num_latents"] / result["stride"] for result in results}) == 1:
        differ = [name for name in differ if name != "stride"]
    if not differ:
        del fixed["step"]
    return differ or ["step"], fixed


def print_one(result):
    """Prints a result as tables.

    Args:
        result: dict; see `evaluation.measure`.
    """
    table = rich.table.Table("metric", "value", "unit")
    for name, value in result.items():
        if name in _PLACES or name == "ci95_of":
            continue
        unit = UNITS.get(name, "")
        if name == "ci95":
            unit = f"95 % interval of {result['ci95_of']} over {documents_text([result])}"
            unit += cut_text([result])
        text = _rate_text(value) if name == "targets_per_second" else _text(value)
        table.add_row(name, text, unit)
    console = rich.console.Console()
    console.print(table)
    for name, place in _PLACES.items():
        if result[name] is None:
            continue
        table = rich.table.Table(place, "loss", "targets", title=name)
        for bucket in result[name]:
            table.add_row(range_text(bucket), _text(bucket["loss"]), _text(bucket["targets"]))
        console.print(table)


def print_several(results):
    """Prints results as one table, a line each.

    Args:
        results: list of dict; see `evaluation.measure`.
    """
    axes, fixed = axes_of(results)
    columns = [*axes, results[0]["ci95_of"], "ci95", "flops_per_target", "targets_per_second"]
    if len({result["targets"] for result in results}) > 1:
        columns.insert(len(axes), "targets")
    rows = [[_cell(result, name) for name in columns] for result in results]
    title = ", ".join([*what_text(results), *(axis_text(*each) for each in fixed.items())])
    table = rich.table.Table(title=title)
    for name, *cells in zip(columns, *rows, strict=True):
        heading = _heading(name, results)
        # Folded only between words, and the interval before anything else.
        words = (heading if name == "ci95" else " ".join([*cells, heading])).split(" ")
        table.add_column(heading, justify="right", min_width=max(map(len, words)))
    for row in rows:
        table.add_row(*row)
    rich.console.Console().print(table)


def _heading(name, results):
    if name == "ci95" and results[0]["documents"] is not None:
        return f"ci95 over {documents_text(results)}"
    return _SHORT.get(name, name.replace("_", " "))


def _cell(result, name):
    if name == "targets_per_second":
        return _rate_text(result[name])
    return short_text(result[name]) + (cut_text([result]) if name == "ci95" else "")


def line_of(result):
    """A result in one line, for a reader who waits for the others."""
    what = ", ".join(axis_text(name, result[name]) for name in _AXES)
    return f"{what}: {result['ci95_of']} {short_text(result[result['ci95_of']])}"


def write(results, output, is_one, is_complete=True):
    """Writes results as JSON.

    Args:
        results: list of dict; see `evaluation.measure`.
        output: path.
        is_one: bool. Whether one result was asked for: it is written by itself, without
            `targets_per_second`, so that the same evaluation writes the same file.
        is_complete: bool. Whether no more of several are to come.

    Raises:
        UserError: the file cannot be written.
    """
    content = {"complete": is_complete, "results": results}
    if is_one:
        (content,) = results
        content = {name: value for name, value in content.items() if name != "targets_per_second"}
    write_text(output, json.dumps(finite(content), indent=1))


def range_text(bucket):
    """A bucket's numbers, the last one included: "0", "512 – 1,023" or "1,024 –"."""
    begin, end = bucket["from"], bucket["to"]
    if end is None:
        return f"{begin:,} –"
    return f"{begin:,}" if end == begin + 1 else f"{begin:,} – {end - 1:,}"


def what_text(results):
    """What results are of, as parts of a title.

    Returns:
        list of str: the split, the part of it if it is one, and how many targets. Of a part of a
        split each result may be of other targets.
    """
    first = results[0]
    what = [first["split"]]
    if "batches" in first:
        batches, of_split = (
            _range([result[name] for result in results if name in result])
            for name in ("batches", "batches_of_split")
        )
        what.append(f"first {batches} of {of_split} batches")
    what.append(targets_text(results))
    if have_other_targets(results):
        what.append("only figures of equally many can be compared")
    return what


def targets_text(results):
    """How many targets results are of, such as "504 to 2,008 targets"."""
    return f"{_range([result['targets'] for result in results])} targets"


def have_other_targets(results):
    """Whether results are of different targets: as many are taken for the same ones."""
    return len({result["targets"] for result in results}) > 1


def documents_text(results):
    """Over how many documents an interval is: "2 documents", or "documents" if nobody knows."""
    counts = [result["documents"] for result in results if result["documents"] is not None]
    if not counts:
        return "documents"
    return f"{_range(counts)} document{'s' * (max(counts) != 1)}"


def interval_text(result):
    """The interval of a title, such as "95 % interval over 2 documents: 0 … 7.322, cut at 0"."""
    ends = " … ".join(f"{end:.4g}" for end in result["ci95"])
    return f"95 % interval over {documents_text([result])}: {ends}{cut_text([result])}"


def cut_text(results):
    """Such as ", cut at 0" where intervals are cut: no figure lies beyond; else nothing."""
    bounds = {
        bound
        for result in results
        if result["ci95"]
        for bound in cut_at(result["ci95_of"], result["ci95"])
    }
    return f", cut at {' and '.join(f'{bound:g}' for bound in sorted(bounds))}" if bounds else ""


def _range(numbers):
    return " to ".join(f"{end:,}" for end in dict.fromkeys((min(numbers), max(numbers))))


def axis_text(name, value):
    """One of `axes_of` and its number."""
    return f"{_SHORT.get(name, name)} {value:,}"


def short_text(value):
    """A figure in five digits or so."""
    if isinstance(value, list):
        return " … ".join(map(short_text, value))
    if isinstance(value, float):
        return f"{value:.5g}" if abs(value) < 1e5 else f"{value:.3e}"
    return _text(value)


def _rate_text(value):
    """In three digits: the next time it is another one."""
    return "–" if value is None else f"{float(f'{value:.3g}'):,.10g}"


def _text(value):
    if isinstance(value, list):
        return " … ".join(map(_text, value))
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6f}" if abs(value) < 1e5 else f"{value:.3e}"
    return str(value)
