"""What was run, in words, for the titles of pictures. Rows are those of `table.read`."""

from pipelines.experiment.reports.per_document import unit_of

# What the documents are called whose figures are per …
_DOCUMENTS = {"byte": "document", "dimension": "image"}
_FLOPS = ((1e18, "EFLOPs"), (1e15, "PFLOPs"), (1e12, "TFLOPs"), (1e9, "GFLOPs"), (1e6, "MFLOPs"))


def device(rows):
    """Such as "cpu"; of several, all of them."""
    return ", ".join(sorted({row["device"] for row in rows if row.get("device")}))


def parameters(rows):
    """Such as "22.6 M parameters" or "0.463 to 0.480 M parameters"."""
    return f"{_ends([int(row['params']) / 1e6 for row in rows])} M parameters"


def training_flops(rows):
    """Such as "141 GFLOPs" or "141 to 186 GFLOPs"."""
    found = [float(row["flops"]) for row in rows]
    scale, unit = flops_unit(max(found))
    return f"{_ends([each / scale for each in found])} {unit}"


def number(rows, column, noun):
    """Such as "1 seed", "600 steps" or, where rows differ, "250 to 600 steps"."""
    found = sorted({int(row[column]) for row in rows})
    ends = dict.fromkeys((found[0], found[-1]))
    return " to ".join(f"{end:,}" for end in ends) + f" {noun}" + "s" * (found[-1] != 1)


def count(number, noun):
    """Such as "1 image" or "200 images"."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def seeds(rows):
    """Such as "3 seeds"."""
    return count(len({row["seed"] for row in rows}), "seed")


def documents(rows, noun=None):
    """Such as "2 documents of test, 1 of validation".

    Args:
        rows: list of dict of str.
        noun: str or None. What a document is called; None is by what was measured.
    """
    found = {}
    for row in rows:
        found.setdefault(row["split"], set()).add(row["document"])
    noun = noun or _DOCUMENTS[unit_of(rows)]
    (first, *others) = sorted(found.items())
    told = [f"{count(len(first[1]), noun)} of {first[0]}"]
    told += [f"{len(numbers):,} of {split}" for split, numbers in others]
    return ", ".join(told)


def flops_unit(most):
    """The unit in which so many FLOPs are a number that can be read.

    Args:
        most: float.

    Returns:
        float, FLOPs of the unit, and its name: 1e9 and "GFLOPs" for instance.
    """
    return next((unit for unit in _FLOPS if most >= unit[0]), (1.0, "FLOPs"))


def _ends(numbers):
    """The least and the greatest in three digits, or both as one."""
    ends = [f"{end:.0f}" if end >= 100 else f"{end:#.3g}" for end in (min(numbers), max(numbers))]
    return " to ".join(dict.fromkeys(ends))
