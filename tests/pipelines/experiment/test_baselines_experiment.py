"""How long a step takes; what the experiment does with it is in test_document_experiments.py."""

import pytest

from pipelines.experiment.baselines_experiment import seconds_of_step


def history(*stretches):
    """Of stretches of (steps, seconds)."""
    found = [{"step": 0, "seconds": 0.0}]
    for steps, seconds in stretches:
        last = found[-1]
        found.append({"step": last["step"] + steps, "seconds": last["seconds"] + seconds})
    return found[1:]


@pytest.mark.parametrize(
    "stretches",
    [
        [(50, 30.0), (50, 5.0)],
        # The last stretch is shorter.
        [(50, 30.0), (50, 5.0), (50, 5.0), (10, 1.0)],
        # Gone on with after a kill.
        [(50, 30.0), (50, 5.0), (50, 35.0), (50, 5.0)],
        [(50, 30.0), (50, 35.0), (50, 5.0)],
        [(50, 5.0)],
    ],
)
def test_it_is_that_of_a_stretch_that_does_not_compile(stretches):
    assert seconds_of_step(history(*stretches)) == pytest.approx(0.1)
