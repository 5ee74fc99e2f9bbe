import numpy as np
import pytest

from pipelines.experiment import performance_statistics
from pipelines.experiment.reports import piano
from tests.pipelines.experiment.test_performance_statistics import notes_of


def likelihood(costs, split="test", seeds=1):
    return [
        {
            "part": "likelihood",
            "seed": str(seed),
            "steps": "1000",
            "context": "1024",
            "latents": "256",
            "params": "514055",
            "device": "cpu",
            "split": split,
            "document": str(number),
            "nats": str(cost * 1000),
            "targets": "1000",
        }
        for seed in range(seeds)
        for number, cost in enumerate(costs)
    ]


def statistics(source, length, number=6, group=1):
    """Rows of performances whose notes are so long, in 64ths of a second, about."""
    draw = np.random.default_rng(len(source))
    found = []
    for place in range(number):
        pitches = draw.integers(40, 80, 50)
        lengths = np.full(50, length + place % 3)
        lengths[-1] = 256  # the performance ends with it
        notes = notes_of(np.arange(50) * 16, lengths, pitches, draw.integers(50, 70, 50))
        summary = {**performance_statistics.summary(notes), "pitch_class_distance": 0.3}
        found.append(
            {
                "part": "statistics",
                "source": source,
                "number": str(place),
                "group": str(place // group),
                **{name: str(value) for name, value in summary.items()},
            }
        )
    return found


def silent(source):
    summary = performance_statistics.summary(notes_of((), (), np.zeros(0, int), np.zeros(0, int)))
    row = {name: str(value) for name, value in summary.items()}
    return {"part": "statistics", "source": source, "number": "9", "group": "9", **row} | {
        "pitch_class_distance": "nan"
    }


PLAYED = [*statistics("training", 32), *statistics("validation", 32)]


def test_likelihood_is_told_with_its_interval_over_performances():
    told = piano.tell([*likelihood([3.0, 3.2, 3.4, 3.6]), *PLAYED])
    # Student's t with 3 degrees of freedom, 3.182, times 0.258 / 2.
    assert "3.300 (2.889 … 3.711) nats per event on 4 performances of test" in told
    assert "After 1,000 steps at a context of 1,024 events with 256 latents (1 seed)" in told


def test_seeds_are_no_more_performances():
    once, twice = (
        piano.tell([*likelihood([3.0, 3.2, 3.6], seeds=seeds), *PLAYED]) for seeds in (1, 2)
    )
    assert once.replace("(1 seed)", "(2 seeds)") == twice


@pytest.mark.parametrize(
    ("costs", "said"),
    [([3.0, 3.1, 3.2], "are not reached"), ([1.7, 1.8, 1.9], "no worse than the paper's 1.82")],
)
def test_it_says_whether_the_paper_is_reached(costs, said):
    assert said in piano.tell([*likelihood(costs), *PLAYED])


def test_it_says_in_what_samples_differ():
    """Notes three times as long, so that more of them sound at once; all else is alike."""
    drawn = statistics("continued", 96, number=12, group=2)
    told = piano.tell([*likelihood([3.0, 3.1]), *PLAYED, *drawn])
    assert "Drawn, after a primer (12 performances of 6 primers)" in told
    last = told.rsplit("Beyond chance", 1)[1]
    assert last == " (Welch's test, 95 %) the samples differ in notes that sound at once."


def test_it_says_when_samples_are_like_what_was_played():
    told = piano.tell([*likelihood([3.0, 3.1]), *PLAYED, *statistics("unprompted", 32)])
    assert "Drawn, from nothing (6 performances)" in told
    assert told.endswith("differ from validation beyond chance (Welch's test, 95 %).")


def test_silent_samples_are_told_and_spoil_no_figure(tmp_path):
    table = [*likelihood([3.0, 3.1]), *PLAYED, *statistics("unprompted", 32), silent("unprompted")]
    told = piano.tell(table)
    assert "(7 performances, 1 of them silent)" in told and "nan" not in told
    piano.draw(table, tmp_path / "piano.png")


def test_the_figure_names_what_it_shows(tmp_path):
    import matplotlib

    table = [*likelihood([3.0, 3.1]), *PLAYED, *statistics("continued", 32, group=2)]
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        piano.draw(table, tmp_path / "piano.svg")
    text = (tmp_path / "piano.svg").read_text()
    for wanted in (
        piano.TITLE,
        "0.514 M parameters, 1,000 steps, context 1,024 events, 256 latents, cpu",
        "Likelihood of 2 performances of test (1 seed)",
        "half the sum of |share − share in training| of 12 classes",
        "nats per event",
        "notes per second",
        "95 % interval",
        "time between onsets (s)",
        "pitch class",
        "drawn, after a primer",
    ):
        assert wanted in text
    assert "drawn, from nothing" not in text  # there are none in this table
