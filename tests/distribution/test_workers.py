"""Two processes that train together: one stops for both, and one that is lost ends the other."""

import re
import signal
import time
import types

import numpy as np
import pytest

from pipelines import checkpoints, command_line
from tests.pipelines import runs

pytestmark = [pytest.mark.slow, pytest.mark.long]

ENDLESS = 1_000_000
# A worker's silence counts as its end after 30 seconds; the rest is for a busy machine.
BOUND = 90.0


def start(environments, *model_dirs, steps=ENDLESS):
    """A process for each environment: the chief first."""
    flags = runs.copy_flags(
        "Distribution.strategy = 'multi_worker_mirrored'",
        f"STEPS = {steps}",
        "TrainSettings.steps_per_loop = 1",
        "TrainSettings.num_microbatches = 2",
    )
    return [
        runs.start("pipelines.train", *flags, f"--model_dir={folder}", environment=environment)
        for environment, folder in zip(environments, model_dirs * len(environments))
    ]


def finish(processes):
    return [
        types.SimpleNamespace(**dict(zip(("status", "out", "err"), runs.finish(process))))
        for process in processes
    ]


def interrupt(model_dir, number, victim, after):
    """A run of two workers, one of which gets a signal in the middle: what each was like."""
    processes = start(runs.cluster(), model_dir)
    out = runs.read_until(processes[0], f"step {after}/{ENDLESS}")
    processes[victim].send_signal(number)
    begun = time.monotonic()
    workers = finish(processes)
    workers[0].out = out + workers[0].out
    return types.SimpleNamespace(
        workers=workers,
        seconds=time.monotonic() - begun,
        newest=checkpoints.step_of(checkpoints.newest_checkpoint(str(model_dir))),
    )


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """One run that is interrupted three times, each time after some steps and a checkpoint."""
    model_dir, ended, step = tmp_path_factory.mktemp("workers") / "run", {}, 0
    for name, number, victim in (
        ("term", signal.SIGTERM, 1),
        ("worker lost", signal.SIGKILL, 1),
        ("chief lost", signal.SIGKILL, 0),
    ):
        ended[name] = interrupt(model_dir, number, victim, step + 5)
        ended[name].begun, step = step, ended[name].newest
    last = finish(start(runs.cluster(), model_dir, steps=step + 2))
    return types.SimpleNamespace(model_dir=model_dir, ended=ended, last=last, steps=step + 2)


def last_step(out):
    """Of the lines that the chief printed."""
    return int(re.findall(r"^step (\d+)/", out, re.MULTILINE)[-1])


def test_all_workers_stop_after_the_same_step_when_one_is_told_to(chain):
    ended = chain.ended["term"]
    chief, other = ended.workers
    assert [chief.status, other.status] == [128 + signal.SIGTERM] * 2
    assert f"SIGTERM: saved at step {last_step(chief.out)};" in chief.out
    assert ended.newest == last_step(chief.out)
    assert "SIGTERM: stopping" in other.err and "Traceback" not in chief.err + other.err


def test_the_chief_alone_tells_how_the_run_goes(chain):
    chief, other = chain.last
    assert f"step {chain.steps}/{chain.steps}" in chief.out
    assert other.out == "worker 1: worker 0 tells how the run goes\n"


@pytest.mark.parametrize(("name", "victim"), [("worker lost", 1), ("chief lost", 0)])
def test_a_lost_worker_ends_the_other_in_one_line(chain, name, victim):
    ended = chain.ended[name]
    lost, survivor = ended.workers[victim], ended.workers[1 - victim]
    assert lost.status == -signal.SIGKILL and survivor.status == command_line.FAILED
    assert ended.seconds < BOUND
    lines = [line for line in survivor.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and survivor.err.endswith(f"{lines[0]}\n"), survivor.err
    assert re.fullmatch(
        rf"error: worker {victim} \(127\.0\.0\.1:\d+\) was lost: start all workers again, "
        r"the run goes on from the last checkpoint",
        lines[0],
    )
    assert "Traceback" not in survivor.err
    # The checkpoint of before the loss is there, and no later than what was trained.
    assert ended.begun < ended.newest <= last_step(ended.workers[0].out)


def test_started_again_they_end_where_an_undisturbed_run_does(chain, tmp_path):
    assert [worker.status for worker in chain.last] == [0, 0]
    undisturbed = finish(start(runs.cluster(), tmp_path, steps=chain.steps))
    assert [worker.status for worker in undisturbed] == [0, 0]
    one = runs.saved_values(tmp_path, chain.steps)
    two = runs.saved_values(chain.model_dir, chain.steps)
    assert len(one) > 40 and one.keys() == two.keys()
    for name in one.keys() - {"save_counter/.ATTRIBUTES/VARIABLE_VALUE"}:  # of a run's whole life
        np.testing.assert_array_equal(two[name], one[name], name)


def test_workers_that_see_different_checkpoints_are_refused(chain, tmp_path):
    for worker in finish(start(runs.cluster(), chain.model_dir, tmp_path)):
        assert worker.status == command_line.BAD_INPUT
        said = f"different steps ({chain.steps}, 0): "
        assert worker.err.splitlines()[-1].startswith("error: the workers found") and (
            said in worker.err
        )


def test_a_worker_that_runs_already_is_refused(tmp_path):
    environments = runs.cluster()
    first = start(environments[:1], tmp_path)[0]
    runs.read_until(first, "waiting for worker 1", first.stderr)
    (second,) = finish(start(environments[:1], tmp_path))
    first.kill()
    runs.finish(first)
    assert second.status == command_line.BAD_INPUT
    assert "running already?" in runs.error_line(second.err)
