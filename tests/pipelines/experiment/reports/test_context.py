import pytest

from pipelines.experiment.reports import context
from tests.pipelines.experiment.reports import tables


def rows(costs, seeds=3, spread=0.0, flops=2e15):
    """A table of contexts that cost so many bits per byte; the spread differs with the seed."""
    return [
        row
        for number, (size, cost) in enumerate(costs.items())
        for seed in range(seeds)
        for row in tables.documents(
            [cost + spread * (seed - 1) * (-1) ** number] * 2,
            context=size,
            seed=seed,
            latents=64,
            steps=600 // (number + 1),
            flops=flops,
            seconds=30.0,
            params=480_131,
            device="cpu",
        )
    ]


def test_the_paragraph_has_the_figures_of_the_table():
    told = context.tell(rows({64: 2.8, 128: 2.7, 256: 2.65, 512: 2.6}))
    assert "From 64 to 512 inputs (3 doublings) it takes on test 0.200 ± 0.000 bits per" in told
    assert "(the claim holds here)" in told and "Mean of 3 seeds" in told
    assert "| 128 | 300 | 2.00 | 30 | 2.700 ± 0.000 |" in told


@pytest.mark.parametrize(
    ("costs", "spread", "said"),
    [
        ({64: 2.6, 512: 2.8}, 0.0, "0.200 ± 0.000 bits per byte more (**the claim does not hold"),
        ({64: 2.8, 512: 2.7}, 0.2, "cannot be seen at this size"),
    ],
)
def test_it_says_where_the_claim_does_not_hold(costs, spread, said):
    assert said in context.tell(rows(costs, spread=spread))


def test_of_one_seed_it_says_nothing():
    told = context.tell(rows({64: 2.8, 512: 2.7}, seeds=1))
    assert "nothing is known of its error" in told and "claim" not in told
    assert "seeds" not in told


def test_one_context_has_nothing_beside_it(tmp_path):
    told = context.tell(rows({64: 2.8}))
    assert told.startswith("One context alone") and "| 64 | 600 |" in told
    context.draw(rows({64: 2.8}), tmp_path / "picture.png")


def test_the_picture_names_what_it_shows(tmp_path):
    text = tables.text_of(context, rows({64: 2.8, 1024: 2.7}), tmp_path)
    for wanted in (
        "64 latents",
        "equal FLOPs",
        "0.480 M parameters, 300 to 600 steps, 2.00 PFLOPs of training",
        "2 documents of test; 3 seeds; cpu",
        "context (inputs)",
        "bits per byte",
        "1k",
        "mean of 3 seeds, 95 % interval",
    ):
        assert wanted in text


def test_of_one_seed_the_picture_promises_no_interval(tmp_path):
    text = tables.text_of(context, rows({64: 2.8, 1024: 2.7}, seeds=1), tmp_path)
    assert "1 seed" in text and "interval" not in text


def test_few_flops_have_a_unit_of_their_own():
    assert "| 64 | 600 | 141.13 |" in (
        told := context.tell(rows({64: 2.8, 128: 2.7}, flops=141.13e9))
    )
    assert "| GFLOPs |" in told
