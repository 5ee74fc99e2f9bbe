"""What a card says of how good its model is: figures beside a blind guess, and limits."""

import math
from typing import NamedTuple

from keras_perceiver_ar.codecs import event_ids
from pipelines.experiment.npy_set import load
from pipelines.experiment.reports import copy, per_document, piano, plots

# Of a set's codec: what nats are divided by, and what a document is made of.
_UNITS = {
    "bytes": ("bits per byte", "bytes", "reader"),
    "sentencepiece": ("bits per byte", "pieces", "reader"),
    "image": ("bits per dimension", "colour values", "viewer"),
    "performance": ("nats per event", "events", "listener"),
}
_VALUES = 256  # different ids in the copy task


class Cost(NamedTuple):
    """What the documents of a split cost a model, for each of their units."""

    split: str
    documents: int  # that were measured
    unit: str
    value: float
    interval: tuple | None  # 95 %, over documents
    blind: float  # what they cost whoever knows nothing
    paper: float | None

    def text(self, digits):
        """The value, with its interval."""
        interval = f" ({_range(self.interval, digits)})" if self.interval else ""
        return f"{self.value:.{digits}f}{interval}"


def costs(rows, data):
    """What was measured of one model.

    Args:
        rows: list of dict of str, with `split`, `nats` and `targets`.
        data: str. Folder of the set.

    Returns:
        list of `Cost`, of each split.
    """
    made, found = load(data), []
    unit = _UNITS[made.codec["name"]][0]
    scale = math.log(2) if unit.startswith("nats") else 1.0
    for split in dict.fromkeys(row["split"] for row in rows):
        own = [row for row in rows if row["split"] == split]
        value, interval = per_document.bits(own)
        units = sum(float(row.get("bytes") or row["targets"]) for row in own)
        targets = sum(float(row["targets"]) for row in own)
        blind = targets * math.log2(made.vocab_size - event_ids.NUM_RESERVED) / units
        found.append(
            Cost(
                split,
                len(own),
                unit,
                value * scale,
                interval and tuple(bound * scale for bound in interval),
                blind * scale,
                piano.PAPER if made.codec["name"] == "performance" else None,
            )
        )
    return found


def table(found, data):
    """A table in Markdown of `costs`, or a sentence where nothing was measured."""
    if not found:
        return "The model itself was not measured with the latents that it has."
    splits, first = load(data).splits, found[0]
    head = ["split", "documents", first.unit, "a blind guess"]
    head += ["the paper, on MAESTRO v1"] * (first.paper is not None)
    lines = []
    for cost in found:
        count = f"{cost.documents:,} of {splits[cost.split]['documents']:,}"
        line = [cost.split, count, cost.text(3), f"{cost.blind:.3f}"]
        lines.append(line + [str(cost.paper)] * (cost.paper is not None))
    note = " (95 % intervals over documents)" * any(cost.interval for cost in found)
    return f"The model itself{note}:\n\n{plots.table(head, lines)}"


def limits(found, data, training):
    """Sentences on what follows from the figures of a model of documents.

    Args:
        found: list of `Cost`.
        data: str. Folder of the set.
        training: dict. `steps`, `rows` of a batch, and `context` and `latents` of a row.
    """
    made = load(data)
    _, pieces, judge = _UNITS[made.codec["name"]]
    of_training = made.splits["train"]
    read = training["steps"] * training["rows"] * training["context"]
    told = [
        f"In training it read rows of {training['context']:,} {pieces}, at most {read:,} in all: "
        f"{read / of_training['tokens']:.3g} times as many as the {of_training['documents']:,} "
        f"documents of its training set have. It learned to predict at most "
        f"{training['steps'] * training['rows'] * training['latents']:,} of them.",
    ]
    if made.codec["name"] == "image":
        size = made.codec["size"]
        told.append(f"It draws images of {size} × {size} pixels and no others.")
    else:
        told.append(
            f"It sees {training['context']:,} {pieces} at most. What is further back has no effect."
        )
    if not found:
        told.append("How good it is was not measured with the latents that it has.")
    told += [_tell_cost(cost) for cost in found]
    told.append(
        f"These figures are of how well it predicts what others made. Whether what it makes itself "
        f"is any good to a {judge} was not judged by any."
    )
    return told


def _tell_cost(cost):
    beside = f"a blind guess costs {cost.blind:.2f}"
    if cost.paper is not None:
        beside += f", the paper's model {cost.paper} on MAESTRO v1"
    said = f"On {cost.split} it costs {cost.text(2)} {cost.unit}; {beside}."
    if cost.value >= cost.blind:
        return f"{said} It is **no better than a blind guess**."
    if cost.interval and cost.interval[1] >= cost.blind:
        return f"{said} It is **not better than a blind guess beyond chance**."
    return f"{said} It saves {1 - cost.value / cost.blind:.0%} of the blind guess."


def copy_table(rows):
    """A table in Markdown of the lengths that the model of the last stage was measured on."""
    lines = [
        [
            f"{int(row['positions']):,}",
            f"{float(row['accuracy']):.3%}",
            f"{int(row['targets']):,}",
            f"{1 / _VALUES:.1%}",
        ]
        for row in sorted(rows, key=lambda row: int(row["positions"]))
    ]
    head = ["positions", "right", "of", "a blind guess"]
    paper = f"The paper copies all of {copy.PAPER:,} positions."
    return f"The model itself. {paper}\n\n{plots.table(head, lines)}"


def copy_limits(rows, context):
    """Sentences on what follows from the figures of a model of copies.

    Args:
        rows: list of dict of str, of the last stage.
        context: int. Of the model.
    """
    stage = int(rows[0]["stage"])
    (own,) = [row for row in rows if int(row["positions"]) == stage]
    right = float(own["accuracy"])
    told = [
        f"It was trained to mirror ids drawn evenly from {_VALUES}, up to {stage:,} positions in "
        "all, and on nothing else.",
        f"Of {stage:,} positions it gets {right:.2%} of the mirrored ids right; a blind guess "
        f"{1 / _VALUES:.1%}.",
    ]
    if right < copy.GOAL:
        told[-1] += f" **It has not learned them** (that would be {copy.GOAL:.1%})."
    if stage < context:
        told.append(
            f"Its training ended before the stage of {context:,} positions, its context: of that "
            "length it has seen none."
        )
    told.append(
        "In training a shorter sequence has the positions around the middle of the longest one. "
        "The signatures count from 1: through them only sequences that fill the context, "
        f"{context:,} positions, are where they were in training."
    )
    return told


def _range(interval, digits):
    return " … ".join(f"{bound:.{digits}f}" for bound in interval)
