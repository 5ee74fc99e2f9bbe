import os
import re
import signal

import pytest

from pipelines import train
from pipelines.training.interruption import Interrupted, Interruption
from tests.pipelines import runs

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def interruption():
    handlers = [signal.getsignal(number) for number in NUMBERS]
    interruption = Interruption()
    interruption.listen()
    yield interruption
    for number, handler in zip(NUMBERS, handlers):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_remembered_until_the_loop_is_done(interruption, number):
    interruption()
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match=number.name) as raised:
        interruption()
    assert raised.value.exit_status == 128 + number


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_acts_at_once(interruption, number):
    os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Two long runs, each stopped after its first progress line: folder, status, output."""
    started = {}
    for number in NUMBERS:
        model_dir = tmp_path_factory.mktemp(number.name)
        flags = runs.copy_flags("STEPS = 1000000", "TrainSettings.steps_per_loop = 1")
        started[number] = (
            model_dir,
            runs.start("pipelines.train", *flags, f"--model_dir={model_dir}"),
        )
    ended = {}
    for number, (model_dir, process) in started.items():
        out = runs.read_until(process, "step 1/1000000")
        process.send_signal(number)
        status, rest, err = runs.finish(process)
        ended[number] = model_dir, status, out + rest, err
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_an_interrupted_run_saves_and_says_so(interrupted, number):
    model_dir, status, out, err = interrupted[number]
    assert status == 128 + number
    assert "Traceback" not in err
    step = int(re.search(rf"{number.name}: saved at step (\d+)", out)[1])
    last_line = re.findall(r"^step (\d+)/", out, re.MULTILINE)[-1]
    assert step == int(last_line)
    assert runs.saved_values(model_dir, step)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step


@pytest.mark.slow
def test_an_evaluation_is_interrupted_between_two_batches(tmp_path):
    flags = runs.copy_flags("CopyTask.evaluation_examples = 10000000", "STEPS = 3")
    flags += [f"--model_dir={tmp_path}", "--mode=train_and_evaluate"]
    process = runs.start("pipelines.train", *flags)
    runs.read_until(process, "evaluating validation", process.stderr)
    process.send_signal(signal.SIGTERM)
    status, out, err = runs.finish(process)
    assert status == 128 + signal.SIGTERM
    assert "SIGTERM: saved at step 3" in out and "Traceback" not in err
    assert "evaluation |" not in out


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_the_same_command_goes_on_to_the_end(interrupted, number, capsys):
    model_dir, _, out, _ = interrupted[number]
    step = int(re.search(r"saved at step (\d+)", out)[1])
    flags = runs.copy_flags(f"STEPS = {step + 2}", "TrainSettings.steps_per_loop = 1")
    assert runs.call(train.main, *flags, f"--model_dir={model_dir}") == 0
    out = capsys.readouterr().out
    assert f"step {step} of {step + 2}" in out
    assert re.findall(r"^step (\d+)/", out, re.MULTILINE) == [str(step + 1), str(step + 2)]
    assert runs.saved_values(model_dir, step + 2)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step + 2
