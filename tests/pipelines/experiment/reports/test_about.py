import pytest

from pipelines.experiment.reports import about
from tests.pipelines.experiment.reports import tables


def table(**values):
    """Rows of two runs, of which these values differ: dict of pairs."""
    return [
        row
        for number in range(2)
        for row in tables.documents([2.0], **{name: pair[number] for name, pair in values.items()})
    ]


def test_what_differs_is_told_from_least_to_most():
    assert about.number(table(steps=(1200, 50)), "steps", "step") == "50 to 1,200 steps"
    assert about.number(table(steps=(1, 1)), "steps", "step") == "1 step"
    assert about.parameters(table(params=(480_131, 463_000))) == "0.463 to 0.480 M parameters"
    assert about.parameters(table(params=(123_456_789, 123_456_789))) == "123 M parameters"
    assert about.training_flops(table(flops=(2e12, 9e11))) == "0.900 to 2.00 TFLOPs"
    assert about.device(table(device=("cpu", "a card"))) == "a card, cpu"
    assert about.seeds(table(seed=(0, 1))) == "2 seeds"


def test_documents_are_counted_once_in_each_split():
    rows = [*table(seed=(0, 1)), *tables.documents([2.0, 3.0], split="validation")]
    assert about.documents(rows) == "1 document of test, 2 of validation"
    assert about.documents(rows, "performance").startswith("1 performance of test")
    for row in rows:
        del row["bytes"]
    assert about.documents(rows).startswith("1 image of test")


@pytest.mark.parametrize(
    ("most", "unit"),
    [
        (3e18, "EFLOPs"),
        (1e15, "PFLOPs"),
        (9.9e14, "TFLOPs"),
        (1e9, "GFLOPs"),
        (5e6, "MFLOPs"),
        (9e5, "FLOPs"),
    ],
)
def test_a_unit_makes_a_number_of_few_digits(most, unit):
    scale, name = about.flops_unit(most)
    assert name == unit and (1 <= most / scale < 1000 or name == "FLOPs")
