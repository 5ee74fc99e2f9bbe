"""A card praises nothing that the table does not."""

import math

import pytest

from savedmodels import card_figures
from tests.pipelines.experiment import npy_sets

TRAINING = {"steps": 50, "rows": 8, "context": 24, "latents": 4}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return {
        "music": npy_sets.make_music(folder / "music"),
        "books": npy_sets.make_books(folder / "books"),
        "images": npy_sets.make_images(folder, "raster"),
    }


def rows(nats, split="validation", targets=100, **more):
    """A row for each document, at so many nats for a target."""
    return [
        {"split": split, "nats": str(each * targets), "targets": str(targets), **more}
        for each in nats
    ]


def test_music_is_set_beside_a_blind_guess_and_the_paper(sets):
    (cost,) = card_figures.costs(rows([3.0, 3.2]), sets["music"])
    assert (cost.documents, cost.unit, cost.paper) == (2, "nats per event", 1.82)
    assert cost.value == pytest.approx(3.1) and cost.blind == pytest.approx(math.log(388))
    assert cost.interval[0] < 3.1 < cost.interval[1]
    table = card_figures.table([cost], sets["music"])
    assert "| validation | 2 of 2 | 3.100 (" in table and "| 5.961 | 1.82 |" in table


def test_books_cost_bits_for_a_byte(sets):
    (cost,) = card_figures.costs(rows([math.log(2)], bytes="50"), sets["books"])
    assert cost.unit == "bits per byte" and cost.paper is None
    assert cost.value == pytest.approx(2) and cost.blind == pytest.approx(16)
    table = card_figures.table([cost], sets["books"])
    assert "1 of 2 | 2.000 | 16.000 |" in table
    assert "interval" not in table and "paper" not in table


def test_limits_count_what_was_read(sets):
    found = card_figures.costs(rows([3.0]), sets["music"])
    told = " ".join(card_figures.limits(found, sets["music"], TRAINING))
    assert "rows of 24 events, at most 9,600 in all" in told and "1,600 of them" in told
    assert "3 documents" in told and "sees 24 events at most" in told
    assert "costs 3.00 nats per event; a blind guess costs 5.96" in told
    assert "paper's model 1.82" in told and "saves 50% of the blind guess" in told
    assert "listener was not judged" in told
    for praise in ("plausible", "two cores"):
        assert praise not in told


@pytest.mark.parametrize(
    ("nats", "said"),
    [
        ([6.1], "**no better than a blind guess**"),
        ([5.0, 6.5], "**not better than a blind guess beyond chance**"),
    ],
)
def test_it_says_where_nothing_was_learned(sets, nats, said):
    found = card_figures.costs(rows(nats), sets["music"])
    told = " ".join(card_figures.limits(found, sets["music"], TRAINING))
    assert said in told and "saves" not in told


def test_it_says_where_nothing_was_measured(sets):
    found = card_figures.costs([], sets["images"])
    assert "was not measured" in card_figures.table(found, sets["images"])
    told = " ".join(card_figures.limits(found, sets["images"], TRAINING))
    assert "was not measured" in told and "4 × 4 pixels" in told


def copies(accuracy, stage=32):
    return [
        {"stage": str(stage), "positions": str(n), "accuracy": str(accuracy), "targets": "60"}
        for n in (stage, 24)
    ]


def test_copies_are_set_beside_a_blind_guess_and_the_paper():
    table = card_figures.copy_table(copies(0.05))
    assert "| 24 | 5.000% | 60 | 0.4% |" in table and "131,072" in table
    told = " ".join(card_figures.copy_limits(copies(0.05), 32))
    assert "gets 5.00% of the mirrored ids right; a blind guess 0.4%" in told
    assert "**It has not learned them**" in told and "ended before" not in told


def test_copies_that_were_learned_of_half_the_context():
    told = " ".join(card_figures.copy_limits(copies(1.0), 64))
    assert "not learned" not in told and "ended before the stage of 64 positions" in told
