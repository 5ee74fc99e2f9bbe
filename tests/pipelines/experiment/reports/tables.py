"""Tables as experiments leave them, of figures that a test chooses."""

import math

from pipelines.experiment import pictures

BYTES = 1000  # of a document
TARGETS = 1004


def documents(bits, split="test", **run):
    """A row of a table for each document.

    Args:
        bits: list of float. Bits per byte of each document.
        split: str.
        run: what all rows have besides.
    """
    return [
        {
            **{name: str(value) for name, value in run.items()},
            "split": split,
            "document": str(number),
            "nats": repr(value * BYTES * math.log(2)),
            "right": "500",
            "targets": str(TARGETS),
            "bytes": str(BYTES),
        }
        for number, value in enumerate(bits)
    ]


def figure_of(report, rows, monkeypatch):
    """The figure of a report, laid out but not written."""
    kept = []
    monkeypatch.setattr(pictures, "save", lambda figure, path: kept.append(figure))
    report.draw(rows, None)
    (figure,) = kept
    figure.draw_without_rendering()
    return figure


def text_of(report, rows, path):
    """What can be read in the picture of a report."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        report.draw(rows, path / "picture.svg")
    return (path / "picture.svg").read_text()
