"""Figures out of rows that hold what a model says of one document each."""

import math

import numpy as np

from pipelines.evaluation.interval import ratio_interval


def unit_of(rows):
    """What nats are divided by: "byte" of text, "dimension" of images and "event" of music."""
    return "byte" if rows and rows[0].get("bytes") else "dimension"


def bits(rows):
    """Bits for each byte of text, or for each target of what is none.

    Args:
        rows: list of dict of str.

    Returns:
        float, and the pair of its 95 % interval over documents, or None of fewer than two.
    """
    nats = np.array([float(row["nats"]) for row in rows])
    units = np.array([float(row.get("bytes") or row["targets"]) for row in rows])
    interval = ratio_interval(nats / math.log(2), units)
    return nats.sum() / math.log(2) / units.sum(), interval


def bits_of_runs(rows, **values):
    """`bits` of each seed's rows that have these values, in the order of the seeds.

    Returns:
        list of float.
    """
    wanted = {name: str(value) for name, value in values.items()}
    own = [row for row in rows if wanted.items() <= row.items()]
    seeds = sorted({row["seed"] for row in own}, key=int)
    return [bits([row for row in own if row["seed"] == seed])[0] for seed in seeds]
