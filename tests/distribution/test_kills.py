"""SIGKILL at any instant, also while a checkpoint is written, costs nothing but time."""

import os
import random
import re
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.pipelines import runs

pytestmark = [pytest.mark.slow, pytest.mark.long]

# `make test-kills` asks for twenty.
KILLS = int(os.environ.get("PERCEIVER_AR_KILLS", "2"))
STEPS, INTERVAL = 300, 10
FLAGS = runs.copy_flags(
    f"STEPS = {STEPS}",
    f"DECAY_STEPS = {STEPS - 2}",
    "PerceiverARBackbone.dropout = 0.1",
    # Some megabytes, so that writing takes a while.
    "PerceiverARBackbone.width = 192",
    "TrainSettings.steps_per_loop = 5",
    f"TrainSettings.checkpoint_interval = {INTERVAL}",
    "TrainSettings.ema_decay = 0.9",
    "RunConfig.deterministic = True",
)
SAVING = re.compile(r"ckpt-\d+(_temp|\.\S*tempstate)")


def start(model_dir):
    environment = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"}
    os.environ.update(environment)
    return runs.start("pipelines.train", *FLAGS, f"--model_dir={model_dir}")


def is_saving(model_dir):
    return any(SAVING.match(entry.name) for entry in os.scandir(model_dir))


def kill(process, model_dir, seconds, while_saving):
    """Kills a run so many seconds after its first loop; or the next time that it saves."""
    runs.read_until(process, "\nstep ")
    end = time.monotonic() + seconds
    while time.monotonic() < end or (while_saving and not is_saving(model_dir)):
        try:
            process.wait(0.0005)
            break  # it was done before
        except subprocess.TimeoutExpired:
            pass
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("uninterrupted")
    status, _, err = runs.finish(start(model_dir))
    assert status == 0, err
    return model_dir


def test_weights_and_log_are_those_of_a_run_that_was_not_killed(uninterrupted, tmp_path):
    generator = random.Random(KILLS)
    killed_while_saving = 0
    for number in range(KILLS):
        process = start(tmp_path)
        while_saving = number % 2 == 0
        kill(process, tmp_path, generator.uniform(0.0, 0.6), while_saving)
        killed_while_saving += is_saving(tmp_path)
    status, out, err = runs.finish(start(tmp_path))
    assert status == 0, err
    assert f"step {STEPS}/{STEPS}" in out or "nothing left to train" in out
    logs = [(folder / "train_log.jsonl").read_bytes() for folder in (uninterrupted, tmp_path)]
    assert logs[1] == logs[0] and logs[0].count(b"\n") == STEPS
    expected, actual = (runs.saved_values(folder, STEPS) for folder in (uninterrupted, tmp_path))
    counter = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    expected.pop(counter, None), actual.pop(counter, None)
    assert actual.keys() == expected.keys()
    assert not [name for name in expected if not np.array_equal(actual[name], expected[name])]
    assert killed_while_saving >= KILLS // 4, "no kill has hit a checkpoint that was written"
    assert not is_saving(tmp_path), "what was left unfinished is still there"
