import json

from tests.golden import parity_report
from tests.golden.cases import COMMITTED, HERE
from tests.golden.test_schedules import SCHEDULES
from tests.golden.test_training import STEPS, TOLERANCES

PAGE = HERE.parents[1] / "docs" / "parity.md"


TRAINING = [f"{name}, {steps} steps: weights" for name, steps in STEPS.items()]


def figures(value):
    row = {"logits": value, "loss": value, "gradient": value}
    part = {"forward": dict.fromkeys(COMMITTED, row), "training": dict.fromkeys(TRAINING, value)}
    return dict.fromkeys(parity_report.BACKENDS, part)


def table(page, first):
    """The rows of the table that starts with a line."""
    lines = page.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = next(number for number, line in enumerate(lines[start:], start) if not line)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:end]]


def test_the_page_is_what_the_command_writes():
    # Its figures move with the machine; the rows, columns and words do not.
    written = parity_report.write(json.loads(json.dumps(figures(1e-6))))
    page = PAGE.read_text(encoding="utf-8")
    assert [row[:2] for row in table(page, "| case")] == [
        row[:2] for row in table(written, "| case")
    ]
    assert page.split("\n| case")[0] == written.split("\n| case")[0]
    assert page.split("\n\\*")[1].split("\n| training")[0] in written
    named = {row[0] for row in table(page, "| training")}
    assert named > set(TRAINING)
    assert sum(name.startswith("learning rate") for name in named) == len(SCHEDULES)


def test_the_figures_on_the_page_are_within_the_tolerances():
    page = PAGE.read_text(encoding="utf-8")
    limits = [3e-5, 3e-5, 1e-6, 1e-6, 5e-6, 5e-6]
    for row in table(page, "| case")[2:]:
        for cell, limit in zip(row[2:], limits, strict=True):
            assert cell == "–" or float(cell) <= limit, row
    for name, *cells in table(page, "| training")[2:]:
        limit = TOLERANCES[name.split(",")[0]] if name.endswith("weights") else 1e-6
        assert max(map(float, cells)) <= limit, name
