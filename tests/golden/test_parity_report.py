import json

from tests.golden import parity_report
from tests.golden.cases import COMMITTED, HERE

PAGE = HERE.parents[1] / "docs" / "parity.md"


def figures(value):
    row = {"logits": value, "loss": value, "gradient": value}
    return {backend: dict.fromkeys(COMMITTED, row) for backend in parity_report.BACKENDS}


def shape(page):
    """The page without its figures."""
    return [
        [
            cell
            for cell in line.split("|")
            if "e-" not in cell and "e+" not in cell and "–" not in cell
        ]
        for line in page.splitlines()
    ]


def test_the_page_is_what_the_command_writes():
    # Its figures move with the machine; the rows, columns and words do not.
    written = parity_report.write(json.loads(json.dumps(figures(1e-6))))
    page = PAGE.read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == len(COMMITTED) + 2
    assert [line[:2] for line in shape(page)] == [line[:2] for line in shape(written)]
    assert page.split("\n| case")[0] == written.split("\n| case")[0]


def test_the_figures_on_the_page_are_within_the_tolerances():
    limits = [3e-5, 3e-5, 1e-6, 1e-6, 5e-6, 5e-6]
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "e-" in line]
    for row in (row for row in rows if row.startswith("|")):
        cells = [cell.strip() for cell in row.strip("|").split("|")][2:]
        for cell, limit in zip(cells, limits, strict=True):
            assert cell == "–" or float(cell) <= limit, row
