"""SIGKILL at any instant of an export leaves whole versions only, and the next one works."""

import functools
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.pipelines import runs
from tests.savedmodels import exports

pytestmark = [pytest.mark.slow, pytest.mark.long]

# `make test-kills` asks for twenty.
KILLS = int(os.environ.get("PERCEIVER_AR_KILLS", "2"))
# In the order in which they come to be.
WRITTEN = ("", "variables", "variables/variables.index", "saved_model.pb", "assets.extra")


def start(model_dir, output):
    process = ["savedmodels.export", f"--model_dir={model_dir}", f"--output={output}"]
    return runs.start(*process, start_new_session=True)


def unfinished(output):
    names = os.listdir(output) if output.exists() else []
    return {name for name in names if name.startswith("unfinished-")}


def kill(process, output, seconds, has_come):
    """Kills an export so many seconds after a moment that is waited for; whether it lived so long.

    Args:
        process: from `start`.
        output: path.
        seconds: float.
        has_come: function → bool. Whether the moment has come.
    """
    while not has_come() and process.poll() is None:
        time.sleep(0.0005)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def is_written(output, before, name):
    """Whether an export that began since has come so far as to write a file."""
    return any((output / folder / name).exists() for folder in unfinished(output) - before)


def check(output):
    """Loads every version and asks it; returns their numbers."""
    token_ids, lengths = exports.padded([[2, 5, 7], [2]])
    numbers = sorted(int(path.name) for path in output.iterdir() if path.name.isdigit())
    for number in numbers:
        loaded = tf.saved_model.load(str(output / str(number)))
        answer = loaded.signatures["score"](
            token_ids=tf.constant(token_ids), lengths=tf.constant(lengths)
        )
        assert np.isfinite(answer["log_probs"].numpy()[0, 1:]).all()
    return numbers


def test_versions_are_whole_and_remains_are_cleared(tmp_path):
    model_dir, output = tmp_path / "run", tmp_path / "exported"
    flags = runs.copy_flags(
        # Some megabytes, so that writing takes a while.
        "PerceiverARBackbone.width = 256",
        "PerceiverARBackbone.num_layers = 4",
    )
    runs.save_untrained(model_dir, flags, scale=0.1)
    begin = time.monotonic()
    status, _, err = runs.finish(start(model_dir, output))
    assert status == 0, err
    whole = time.monotonic() - begin
    generator = random.Random(KILLS)
    killed, left = 0, 0
    for number in range(KILLS):
        before = unfinished(output)
        process = start(model_dir, output)
        if number % 2:
            killed += kill(process, output, generator.uniform(0.0, whole), lambda: True)
        else:
            name = WRITTEN[number // 2 % len(WRITTEN)]
            has_come = functools.partial(is_written, output, before, name)
            killed += kill(process, output, generator.uniform(0.0, 0.1), has_come)
        left += bool(unfinished(output) - before)
    before = check(output)
    status, _, err = runs.finish(start(model_dir, output))
    assert status == 0, err
    assert check(output) == [*before, before[-1] + 1]
    assert unfinished(output) == set(), "what dead exports have left is still there"
    assert killed >= KILLS // 2, "too few were killed before they were done"
    assert left >= KILLS // 4, "no kill has hit an export that was writing"
    print(f"{killed} of {KILLS} killed, {left} times something was left, versions {before}")
