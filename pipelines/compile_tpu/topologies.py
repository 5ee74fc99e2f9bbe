"""Names of TPU slices, such as v5e:16x16."""

import argparse
import math
import re

# Axes of a slice, and devices of a chip as the compiler counts them.
_KINDS = {"v2": (2, 2), "v3": (2, 2), "v4": (3, 2), "v5e": (2, 1), "v5p": (3, 1), "v6e": (2, 1)}


def topology(text):
    """A flag's value that names a slice.

    Raises:
        argparse.ArgumentTypeError: says what a name looks like.
    """
    match = re.fullmatch(r"(\w+):(\d+(?:x\d+)*)", text)
    axes = _KINDS[match[1]][0] if match and match[1] in _KINDS else None
    sizes = [int(size) for size in match[2].split("x")] if match else []
    # A host has 2 × 2 chips.
    if len(sizes) != axes or min(sizes) < 1 or sizes[0] % 2 or sizes[1] % 2:
        examples = "v5e:2x4, v5e:16x16, v6e:8x8 or, with three axes, v4:4x4x8, v5p:2x2x1"
        kinds = ", ".join(_KINDS)
        raise argparse.ArgumentTypeError(
            f"must be a TPU ({kinds}) and its chips along each axis, two of them even: {examples}: "
            f"got {text!r}"
        )
    return text


def num_devices(name):
    """How many replicas a slice runs.

    Args:
        name: str, of `topology`.
    """
    kind, sizes = name.split(":")
    return _KINDS[kind][1] * math.prod(int(size) for size in sizes.split("x"))
