"""What a person sees of a generation that takes long, and how it is accounted for."""

import numpy as np
import pytest

from pipelines.generation.progress import GenerationProgress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def draw(seconds_a_token, total=41, is_shown=True):
    """Lets a progress see so many tokens of a row with a prompt of 3."""
    clock = Clock()
    with GenerationProgress(total, is_shown, clock=clock) as progress:
        progress.begin(3, 1, total)
        began = clock.now + 7.0  # compiled
        clock.now = began + 0.25  # read
        for drawn in range(1, total + 1):
            progress.see(np.array([3 + drawn]), np.array([9]), began)
            clock.now += seconds_a_token
        progress.end_batch()
    progress.end()


END = "; before them, reading 3 tokens of prompts took 0.25 s, and compiling 7.0 s"


def test_a_line_every_five_seconds_and_one_at_the_end(capsys):
    draw(0.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "drew 11 of 41 tokens, 2.0 tokens/s, 0:00:15 left"
    assert [line.split()[1] for line in lines] == ["11", "21", "31", "41", "41"]
    assert lines[-1] == f"drew 41 tokens in 20.0 s (2.0 tokens/s){END}"


def test_lines_come_of_batches_that_are_shorter_than_the_time_between_them(capsys):
    clock = Clock()
    with GenerationProgress(80, clock=clock) as progress:
        for _ in range(20):
            progress.begin(1, 1, 4)
            for _ in range(4):
                progress.see(None, np.array([9]), clock.now)
                clock.now += 0.5
            progress.end_batch()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["11", "21", "31", "41", "51", "61", "71"]


def test_a_search_says_that_it_searches(capsys):
    with GenerationProgress(4, verb="searched") as progress:
        progress.begin(3, 1, 4)
        progress.end_batch()
    progress.end()
    assert capsys.readouterr().err.startswith("searched 0 tokens in 0.0 s; before them, ")


@pytest.mark.parametrize(("seconds", "is_shown"), [(0.1, True), (0.5, False)])
def test_only_the_end_of_what_is_quick_or_shown_otherwise(capsys, seconds, is_shown):
    draw(seconds, is_shown=is_shown)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_single_token_has_no_speed(capsys):
    draw(1.0, total=1)
    assert capsys.readouterr().err.strip() == f"drew 1 tokens in 0.0 s{END}"


def test_batches_add_up_less_what_fills_them_and_what_ended_early(capsys):
    clock = Clock()
    with GenerationProgress(30, clock=clock) as progress:
        for rows in (2, 1):
            progress.begin(5 * rows, rows, 10 * rows)
            began = clock.now + 3.0
            clock.now = began + 0.5
            for step in range(4):
                # The first row ends after two tokens; of the last batch the second row is filling.
                progress.see(None, np.array([9 if step < 2 else 0, 8]), began)
                clock.now += 2.0
            clock.now += 50.0  # writing, for instance
            progress.end_batch()
    progress.end()
    *_, last = capsys.readouterr().err.splitlines()
    # Behind the first step of their batches: 1 + 3 tokens and 1, in 6 s each.
    assert last == (
        "drew 8 tokens in 12.0 s (0.4 tokens/s); before them, reading 15 tokens of prompts took "
        "1.00 s, and compiling 6.0 s"
    )


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    draw(0.5)
    shown = capsys.readouterr().err
    assert "tokens/s" in shown and "100%" in shown and "of 41 tokens, " not in shown
