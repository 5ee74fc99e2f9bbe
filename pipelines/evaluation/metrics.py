"""From sums over labels to what a task is measured by, and how far that is known."""

import math

from pipelines.evaluation.interval import ratio_interval

_PER_BIT = 1 / math.log(2)
# Of each metric the sum, what it is divided by, and what is made of the ratio.
_METRICS = {
    "accuracy": ("correct", "labels", float),
    "bits_per_byte": ("loss", "bytes", lambda nats: nats * _PER_BIT),
    "bits_per_dim": ("loss", "labels", lambda nats: nats * _PER_BIT),
    "bits_per_token": ("loss", "labels", lambda nats: nats * _PER_BIT),
    "nll_per_event": ("loss", "labels", float),
    "word_perplexity": ("loss", "words", lambda nats: _exp(nats)),
    "loss": ("loss", "labels", float),
}
# What no figure lies beyond.
_LEAST, _MOST = {"word_perplexity": 1.0}, {"accuracy": 1.0}


def metrics(sums, task, split, is_part=False):
    """Turns sums over labels into what the task is measured by.

    Args:
        sums: dict of float, `LABEL_SUMS` and `data`, the labels that are no reserved ids.
        task: names its `evaluation_metrics` and the `units` of a split.
        split: str.
        is_part: bool. Whether the sums are of a part of the split. Nobody has counted its words,
            nor its bytes unless they are the labels: what needs them is left out.

    Returns:
        dict: `targets`, `loss` in nats per target, and the task's metrics. `bits_per_byte` is the
        length of a code for whole documents, their end included, over their bytes;
        `word_perplexity` is e to its nats over their words; `bits_per_dim` is of a channel of a
        pixel, `bits_per_token` of a piece of text or a document's end, and `nll_per_event` nats of
        an event of music or its end.
    """
    units = {"bytes": sums["data"]} if task.is_text else {}
    if not is_part:
        units = task.units(split)
    units = {**units, "labels": max(sums["labels"], 1.0)}
    results = {}
    for name in (*task.evaluation_metrics, "loss"):
        total, unit, finish = _METRICS[name]
        if units.get(unit):
            results[name] = finish(sums[total] / units[unit])
    return {**results, "targets": int(sums["labels"])}


def interval(sums, task, split, is_part=False):
    """How far the first of the task's `metrics` is known.

    Args:
        sums: dict, as `metrics` takes them, and `document_…` of `PlaceSums`: float64 (D,).
        task, split, is_part: see `metrics`.

    Returns:
        dict: `ci95`, a list of low and high over documents, or None where fewer than two were
        scored or rows do not say where they are from; `ci95_of`, the metric; and `documents`, those
        of which something was scored, or None.
    """
    name = next(iter(metrics(sums, task, split, is_part)))
    if "document_labels" not in sums:
        return {"ci95": None, "ci95_of": name, "documents": None}
    each = {key: sums[f"document_{key}"] for key in ("loss", "correct", "labels", "data")}
    if is_part:
        each["bytes"] = each["data"]
    else:
        each |= task.document_units(split)
    total, unit, finish = _METRICS[name]
    ends = ratio_interval(each[total], each[unit])
    if ends is not None:
        ends = [finish(end) for end in ends]
        ends = [max(end, _LEAST.get(name, 0.0)) for end in ends]
        ends = [min(end, _MOST.get(name, math.inf)) for end in ends]
    return {"ci95": ends, "ci95_of": name, "documents": int((each["labels"] > 0).sum())}


def cut_at(name, ends):
    """Where `interval` cut an interval, since no figure lies beyond.

    Args:
        name: str, of a metric.
        ends: pair of float, low and high.

    Returns:
        list of float, the bounds at which it was cut. An interval of no width was not: there all
        documents agree.
    """
    low, high = ends
    bounds = ((low, _LEAST.get(name, 0.0)), (high, _MOST.get(name, math.inf)))
    return [bound for end, bound in bounds if end == bound and low < high and bound < math.inf]


def left_out(task):
    """Names of the task's metrics that there are not for a part of a split."""
    counted = ("words",) if task.is_text else ("words", "bytes")
    return [name for name in task.evaluation_metrics if _METRICS[name][1] in counted]


def _exp(nats):
    try:
        return math.exp(nats)
    except OverflowError:  # text with hardly any space in it is hardly any words
        return math.inf
