from pipelines.experiment.reports import copy
from tests.pipelines.experiment.reports import tables


def rows(right, stages=(128, 1024)):
    """A table of lengths of which so many of 10,000 mirrored ids are right."""
    return [
        {
            "stage": str(positions if positions in stages else stages[-1]),
            "positions": str(positions),
            "rows": "4",
            "steps": "300",
            "training_seconds": "61.4",
            "accuracy": repr(count / 10_000),
            "right": str(count),
            "targets": "10000",
            "params": "22600000",
            "device": "a card",
        }
        for positions, count in right.items()
    ]


def test_the_longest_that_is_copied_is_named():
    told = copy.tell(rows({128: 10_000, 1024: 9_995, 512: 9_998}))
    assert "**1,024 positions**: 9,995 of 10,000 mirrored ids are right, after 61 s" in told
    assert "(a card, 22.6 M parameters)" in told and "claim" not in told
    assert "| 512 | 99.980% | 10,000 | – | – | – |" in told


def test_it_says_beyond_which_length_it_is_less():
    told = copy.tell(rows({128: 9_990, 1024: 9_989}))
    assert "**128 positions**" in told
    assert "does not hold here beyond**: of 1,024 positions it is less" in told


def test_it_says_that_none_was_copied():
    told = copy.tell(rows({128: 9_000, 1024: 100}))
    assert "does not hold at this size**: of no length up to 1,024" in told


def test_the_picture_names_what_it_shows(tmp_path):
    text = tables.text_of(copy, rows({128: 10_000, 1024: 9_995}), tmp_path)
    for wanted in (
        "positions",
        "1k",
        "22.6 M parameters, a card",
        "a curriculum of 2 lengths, 600 steps in all; 10,000 mirrored ids measured of each length",
    ):
        assert wanted in text
    assert "learned" in text and "not learned" not in text


def test_a_length_that_was_not_learned_is_told_from_those_that_were(monkeypatch):
    figure = tables.figure_of(copy, rows({128: 10_000, 512: 9_998, 1024: 9_000}), monkeypatch)
    learned, other = figure.axes[1].lines
    assert learned.get_xdata().tolist() == [128] and other.get_xdata().tolist() == [1024]
    assert other.get_label() == "not learned when its training ended"


def test_both_panels_have_the_same_lengths(monkeypatch):
    figure = tables.figure_of(copy, rows({64: 9_000, 256: 100}, stages=(64,)), monkeypatch)
    wrong, seconds = figure.axes
    assert wrong.get_xlim() == seconds.get_xlim()
    low, high = wrong.get_xlim()
    assert 32 < low < 64 and 256 < high < 512
    assert not wrong.get_legend() and len(figure.legends) == 1
